import Hummingbird
import Logging

// The yardstick: what the HTTP library alone does with a small JSON answer and a small JSON body.

struct Beat: ResponseEncodable {
    let status: String
    let expires_in: Int
}
struct Session: Decodable { let session_id: String }

let router = Router()
router.post("/beat") { request, context -> Beat in
    _ = try await request.decode(as: Session.self, context: context)
    return Beat(status: "ok", expires_in: 360)
}

var quiet = Logger(label: "floor")
quiet.logLevel = .error
let application = Application(
    router: router, configuration: .init(address: .hostname("127.0.0.1", port: 0)),
    onServerRunning: { channel in
        print("listening on http://127.0.0.1:\(channel.localAddress?.port ?? 0)")
        flushStandardOutput()
    }, logger: quiet)
try await application.runService()
