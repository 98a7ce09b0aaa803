// The process in which the server runs one plugin that it does not trust with its own. The server starts it and speaks over descriptor 3;
// by hand it does nothing. The walls stand before the plugin's library is loaded.

import Dispatch
import Foundation
import PluginWire

guard let terms = Terms(CommandLine.arguments), fcntl(3, F_GETFD) >= 0 else {
    try FileHandle.standardError.write(contentsOf: Data("coditect-plugin-child is started by coditectd\n".utf8))
    exit(64)
}
do {
    let walls = try Confinement.enter(terms)
    // An answer of 16 MiB and what describes it.
    let wire = try Wire(socket: 3, maxPayload: 20_971_520)
    wire.note(ToHost.walls, walls)
    let desk = Guest(library: terms.library, wire: wire).desk()
    Thread.detachNewThread {
        _ = wire.run(desk)
        // Without the server there is nothing to do, and nobody to tell.
        _exit(0)
    }
    dispatchMain()
} catch {
    let wire = try Wire(socket: 3, maxPayload: 0)
    wire.note(ToHost.unsafe, "\(error)")
    exit(69)
}
