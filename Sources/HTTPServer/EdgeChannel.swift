import HTTPEdge
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// Hummingbird's child channel for an edge: HTTP/1.1 straight from NIO's decoder to the edge, without the detour over request
/// and response types that the edge does not use, and without an encoder: an answer is one buffer.
struct EdgeChannel: ServerChildChannel {
    struct Value: ServerChildChannelValue {
        let channel: any Channel
    }
    let rules: ConnectionRules

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = rules.maxHeaderBytes
            limits.maxHeaderListSize = rules.maxHeaderBytes
            limits.maxHeaderFieldCount = rules.maxHeaderFields
            let connection = ConnectionHandler(rules)
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(ByteWatch(connection))
            try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder(limitConfiguration: limits)))
            try pipeline.addHandler(connection)
            return Value(channel: channel)
        }
    }

    func handle(value: Value, logger: Logger) async { try? await value.channel.closeFuture.get() }
}
