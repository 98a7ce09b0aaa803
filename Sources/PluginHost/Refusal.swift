import Foundation

/// A plugin that the host did not take, and why. The server and the other plugins go on.
package struct RefusedPlugin: Sendable, Hashable {
    /// Name of its folder.
    package let folder: String
    /// Where its manifest could be read.
    package let id: String?
    package let code: RefusalCode
    /// For the operator: what is wrong, in sentences.
    package let reason: String
    /// What is wrong, and what to do next.
    package var sentence: String { "\(reason) \(code.remedy.replacing("`", with: ""))" }
    /// Nobody configured it: there is nothing wrong with it.
    package var isUnused: Bool { code == .notSetUp }
}

/// Every way in which a plugin is refused; the reference page is made of these.
package enum RefusalCode: String, Sendable, Hashable, CaseIterable {
    case manifestMissing = "manifest_missing"
    case manifestInvalid = "manifest_invalid"
    case idTaken = "id_taken"
    case notSetUp = "not_set_up"
    case settingsInvalid = "settings_invalid"
    case secretMissing = "secret_missing"
    case secretUnreadable = "secret_unreadable"
    case libraryMissing = "library_missing"
    case libraryExposed = "library_exposed"
    case libraryUnreadable = "library_unreadable"
    case checksumDiffers = "checksum_differs"
    case signatureMissing = "signature_missing"
    case noteMissing = "note_missing"
    case kitMajorDiffers = "kit_major_differs"
    case kitTooNew = "kit_too_new"
    case compilerDiffers = "compiler_differs"
    case manifestDisagrees = "manifest_disagrees"
    case kitNotShared = "kit_not_shared"
    case copyFailed = "copy_failed"
    case loadFailed = "load_failed"
    case entryMissing = "entry_missing"
    case entryForeign = "entry_foreign"
    case settingsRefused = "settings_refused"
    case makeFailed = "make_failed"
    case kindsDiffer = "kinds_differ"
    case startFailed = "start_failed"
    case tooSlow = "too_slow"
    case probeFailed = "probe_failed"
    case childFailed = "child_failed"

    /// When it is refused so.
    package var summary: String {
        switch self {
        case .manifestMissing: "The folder has no readable `plugin.json`."
        case .manifestInvalid: "`plugin.json` breaks its format; every mistake is listed."
        case .idTaken: "Another folder already has this id."
        case .notSetUp: "Nothing is configured for it, and it needs something. No fault: a fresh server has no accounts anywhere."
        case .settingsInvalid: "A setting is unknown, missing or outside its bounds."
        case .secretMissing: "A secret that the plugin requires is not set."
        case .secretUnreadable: "A file that holds a secret cannot be read, or the secret is given twice."
        case .libraryMissing: "The library that `plugin.json` names is not beside it, or is no regular file."
        case .libraryExposed: "Library or folder can be written by everybody on the machine."
        case .libraryUnreadable: "The library is no complete 64-bit ELF shared object for this processor."
        case .checksumDiffers: "`plugin.json` or the library is not what `plugin.sha256` lists."
        case .signatureMissing: "The server takes signed plugins only, and no trusted publisher signed this one."
        case .noteMissing: "The library carries no note of the kit."
        case .kitMajorDiffers: "It was built with another major version of the kit."
        case .kitTooNew: "It was built with a newer minor version of the kit than the server has."
        case .compilerDiffers: "It was built with another Swift compiler than the server."
        case .manifestDisagrees: "`plugin.json` and the library disagree about kit or id."
        case .kitNotShared: "The library does not link `libPluginKit.so` or holds a copy of it, and no cast recognises the types of a copy."
        case .copyFailed: "The content-addressed copy that is loaded could not be written."
        case .loadFailed: "The dynamic linker refused it: a library or a symbol that it needs is not there."
        case .entryMissing: "It has no C entry point `coditect_plugin_entry`."
        case .entryForeign: "Its entry point gave no factory of this kit."
        case .settingsRefused: "Its own `validate` refused the settings."
        case .makeFailed: "Its `make` threw."
        case .kindsDiffer: "It provides other kinds or pages than `plugin.json` says."
        case .startFailed: "Its `start` threw; `drain` and `stop` were called."
        case .tooSlow: "`make` or `start` did not return in time; the host no longer waits."
        case .probeFailed: "A new version breaks what holds for every provider of its kind: it believes a forged webhook, or is not pure."
        case .childFailed: "Its process could not be started, could not be walled in on this kernel, or died before it was made."
        }
    }

    /// What the operator or the author does about it.
    package var remedy: String {
        switch self {
        case .manifestMissing, .manifestInvalid: "Correct `plugin.json`; docs/reference/plugins.md has its format."
        case .idTaken: "Remove one of the two folders."
        case .notSetUp: "Give what the sentence names, or leave it: nothing else is affected."
        case .settingsInvalid, .settingsRefused: "Correct the setting in coditect.yaml or the environment."
        case .secretMissing: "Set the variable, or name a file with it in the variable of that name and `_FILE`, or remove the folder."
        case .secretUnreadable: "Let the server's user read the file, and give each secret in one place."
        case .libraryMissing: "Build the plugin and put the library beside `plugin.json`."
        case .libraryExposed: "`chmod o-w` the file and its folder, and ask who could write there."
        case .libraryUnreadable: "Copy the library again, built for this machine."
        case .checksumDiffers: "Copy all files of one build again; if they differ still, somebody changed them."
        case .signatureMissing: "Get it from a publisher of `plugins.trusted_publishers`, or add the publisher's key there."
        case .noteMissing: "Let the target depend on the product `PluginNote`, and build it again."
        case .kitMajorDiffers, .kitTooNew: "Build it against the kit of this server, or update the server."
        case .compilerDiffers: "Build it again with the compiler of this server."
        case .manifestDisagrees: "Ship the `plugin.json` that belongs to this library."
        case .kitNotShared: "Depend on the dynamic product `PluginKit`; never link it statically."
        case .copyFailed: "Make room and rights in the data directory."
        case .loadFailed: "Install what the sentence names; link with `-z defs` to learn it at build time."
        case .entryMissing, .entryForeign: "Export the entry exactly as the kit's `PluginEntry` shows."
        case .makeFailed, .startFailed: "The sentence is the plugin's own: correct what it names, then run `coditectd plugin reload`."
        case .kindsDiffer: "Let `kinds` and `pages` in `plugin.json` say what the instance provides."
        case .tooSlow: "A plugin must start without waiting for its provider; ask its author."
        case .probeFailed: "Give its author the sentence; the conformance kit shows the same."
        case .childFailed: "The sentence says which; no plugin runs less isolated than its operator asked."
        }
    }
}

/// Why one plugin is refused, on its way up to `PluginHost.load`.
struct Refusal: Error {
    let code: RefusalCode
    let reason: String
    init(_ code: RefusalCode, _ reason: String) {
        self.code = code
        self.reason = reason
    }
}
