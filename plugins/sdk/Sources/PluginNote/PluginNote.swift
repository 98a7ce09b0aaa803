// The note that stands in every plugin's library. The host reads it from the file before it loads anything, because loading
// already runs code. Layout of an ELF note (System V ABI, "Note Section"): name size, description size, type, the name
// `CODITECT` with its NUL in three words, then the description: kit major, kit minor, compiler major, minor, patch.
//
// The values must be literals. A compiler that is not listed does not build: add its line here.

/// Kit 1.2. Raise the minor with every addition to PluginKit, the major with every change that an old plugin does not survive.
typealias NoteWords = (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32)

#if compiler(>=6.5)
    #error("PluginNote.swift does not know this compiler yet: add a line for its version.")
#elseif compiler(>=6.4.3)
    #error("PluginNote.swift does not know this compiler yet: add a line for its version.")
#elseif compiler(>=6.4.2)
    @section(".note.coditect") @used
    let note: NoteWords = (9, 20, 1, 0x4944_4F43, 0x5443_4554, 0, 1, 2, 6, 4, 2)
#elseif compiler(>=6.4.1)
    @section(".note.coditect") @used
    let note: NoteWords = (9, 20, 1, 0x4944_4F43, 0x5443_4554, 0, 1, 2, 6, 4, 1)
#elseif compiler(>=6.4)
    @section(".note.coditect") @used
    let note: NoteWords = (9, 20, 1, 0x4944_4F43, 0x5443_4554, 0, 1, 2, 6, 4, 0)
#elseif compiler(>=6.3.4)
    #error("PluginNote.swift does not know this compiler yet: add a line for its version.")
#elseif compiler(>=6.3.3)
    @section(".note.coditect") @used
    let note: NoteWords = (9, 20, 1, 0x4944_4F43, 0x5443_4554, 0, 1, 2, 6, 3, 3)
#elseif compiler(>=6.3.2)
    @section(".note.coditect") @used
    let note: NoteWords = (9, 20, 1, 0x4944_4F43, 0x5443_4554, 0, 1, 2, 6, 3, 2)
#elseif compiler(>=6.3.1)
    @section(".note.coditect") @used
    let note: NoteWords = (9, 20, 1, 0x4944_4F43, 0x5443_4554, 0, 1, 2, 6, 3, 1)
#elseif compiler(>=6.3)
    @section(".note.coditect") @used
    let note: NoteWords = (9, 20, 1, 0x4944_4F43, 0x5443_4554, 0, 1, 2, 6, 3, 0)
#else
    #error("Plugins need Swift 6.3 or newer.")
#endif

/// What this build of the note says; the host compares a plugin's note with its own.
public enum BuiltNote {
    public static var kitMajor: UInt32 { note.6 }
    public static var kitMinor: UInt32 { note.7 }
    /// Major, minor and patch of the Swift compiler.
    public static var compiler: (major: UInt32, minor: UInt32, patch: UInt32) { (note.8, note.9, note.10) }
}
