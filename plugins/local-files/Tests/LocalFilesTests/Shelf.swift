import Foundation
import PluginKit
import PluginKitTesting

@testable import LocalFiles

/// The plugin over a folder in memory.
struct Shelf: FileStoreSubject {
    var secrets: [String] { [] }

    static func bench() throws -> PluginBench {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try PluginBench(
            manifest: package.appendingPathComponent("plugin.json"), at: Timestamp(microseconds: 1_795_253_400_000_000))
    }
    static func store(_ bench: PluginBench) async throws -> any FileStore {
        guard let store = try await PluginBench.made(LocalFiles(), bench.context()).fileStore else { throw PluginRefusal("no store") }
        return store
    }

    func stage(_ situation: FileSituation, kept: [FileContent]) async throws -> FileStage? {
        let bench = try Self.bench()
        let folder = bench.folder
        let store = try await Self.store(bench)
        for file in kept { _ = try await store.put(file) }
        switch situation {
        case .works: break
        case .losesAnswers: await folder.breaks(publishing: .failsAfter, removing: .failsAfter)
        case .losesRequests: await folder.breaks(writing: .fails)
        case .away: await folder.breaks(isAway: true)
        case .answersNonsense: await folder.spoil()
        case .full: await folder.breaks(writing: .full)
        // Nobody is asked who he is.
        case .wrongSecret: return nil
        }
        return FileStage(
            store: store,
            again: {
                await folder.breaks()
                return try await Self.store(bench)
            },
            held: { await folder.files.mapValues { Data($0.dropFirst(FileHead.bytes)) } }, uploads: { await folder.drafts.count },
            pass: { bench.clock.advance(by: $0) })
    }
}
