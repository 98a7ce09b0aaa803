#pragma once

#include <stddef.h>
#include <stdint.h>

// The walls around a plugin's child process, which it builds itself before it loads the plugin's library. Linked into nothing else: it replaces `open`.

typedef struct prison_terms {
    /// Address space.
    uint64_t memory_bytes;
    /// Files and folders that may be read, everything below a folder; ends with NULL. What is not there is passed over.
    const char *const *readable;
} prison_terms;

/// Locks the calling process in, for good. It must have one thread. Gives 0, or -1 with a sentence in `why`: then nothing may be loaded.
/// `landlock` is the kernel's version of Landlock.
int prison_enter(const prison_terms *terms, int *landlock, char *why, size_t why_bytes);
