#pragma once

#include "LuaShim.h"

// Every defence of the boundary, in one table: tests take each away alone and see that its hostile file then gets through, and the
// reference page is made from it. Nothing that serves can take one away: only tests call luashim_create_without.

// X(name, what it does, against what, hostile file that needs it)
#define LUASHIM_DEFENCES(X) \
    /* what a policy finds */ \
    X(no_coroutines, "no coroutines", "threads that nest C calls without a limit when closed (before 5.4.5), or leave a call suspended", \
      "coroutine-close-nesting") \
    X(no_load, "no load, loadfile, dofile, require", "code compiled at run time, files read as code", "load-at-run-time") \
    X(no_dump, "no string.dump", "reading the bytecode and constants of functions", "string-dump") \
    X(no_collectgarbage, "no collectgarbage", "stopping the collector, reading the memory of others", "collector-oracle") \
    X(no_print, "no print, warn", "writing into the server's own output", "print-warn") \
    X(no_os, "no os", "ending the process, its clock, locale, files and environment", "os-exit") \
    X(no_io, "no io", "reading and writing files", "io-open") \
    X(no_package, "no package", "loading native code", "package-loadlib") \
    X(no_debug, "no debug", "disarming the meter, reaching upvalues and the registry", "debug-unhook") \
    X(text_only, "only text is compiled", "bytecode, which nobody checks", "bytecode") \
    X(source_bound, "256 KiB of source", "a file that costs more to compile than any call may cost", "source-huge") \
    X(compile_clock, "the compiler looks at the clock every 128 bytes", "files that take seconds to compile", "compile-quadratic") \
    X(jump_bound, "at most 4,000 goto and break in a file", "files that take a second to compile at one place", "compile-gotos") \
    X(fresh_environment, "a fresh environment for each call", "globals that survive a call", "globals-survive") \
    X(library_copies, "each environment copies the libraries", "library fields that survive a call", "library-survives") \
    X(fresh_chunk, "the file's main function runs again for each call", "file-level locals that survive a call", "upvalue-cache") \
    X(hidden_metatables, "getmetatable shows only what setmetatable gave", "replacing the methods of all strings", "string-metatable") \
    X(sealed_metatables, "the metatables of the boundary cannot be replaced", "replacing the fallback of the environment", \
      "environment-metatable") \
    X(known_metamethods, "setmetatable takes known metamethods, never __gc, __mode, __name", \
      "finalizers, which run with the meter off; weak tables, a use after free in 5.4.4", "gc-loop") \
    X(private_metatable, "setmetatable installs a copy", "metamethods added after the check", "mode-added-later") \
    X(plain_metamethods, "metamethods are functions", "chains of callable tables that C follows without an end", "call-chain") \
    X(sealed_answers, "what allow, deny and plan made cannot be changed", "answers that skip the checks of their constructor", \
      "answer-forged") \
    X(read_only, "settings and data are views", "settings changed for the next call", "settings-write") \
    /* budgets */ \
    X(fuel, "instructions are counted", "endless loops, differently long on two machines", "fuel-only") \
    X(clock, "processor time is the backstop", "instructions that cost more than their fuel", "clock-only") \
    X(armed_early, "the meter runs before the file's first line", "loops at file level", "spin-at-load") \
    X(phase_reset, "the meter's phase begins anew with each call", "fuel that differs between two runs", "fuel-drift") \
    X(charge, "C functions charge for the length of their work", "linear functions over long texts", "charge-linear") \
    X(memory, "live memory is capped", "tables without an end", "memory-live") \
    X(allocation, "allocation in all is capped", "churning through the allocator", "memory-churn") \
    X(string_bytes, "one text is capped", "doubling a text", "string-doubling") \
    X(never_refuse, "a breach kills instead of answering no memory", "memory errors caught again and again; half-done collections", \
      "memory-pcall") \
    X(sticky, "a kill is a jump out of everything", "pcall, handlers and __close that go on after the limit", "pcall-swallow") \
    X(dead, "a killed state is never used again", "a meter that was left switched off", "dead-state") \
    X(stack, "a call needs a stack that holds it", "C recursion over the end of a small stack", "stack-deep") \
    /* one C call must not spin */ \
    X(rep, "own string.rep", "looping over the empty text", "rep-empty") \
    X(format, "own string.format", "addresses by %p and %s", "format-address") \
    X(concat, "own table.concat", "an __index in C that never ends", "concat-index") \
    X(move, "own table.move", "an __index and __newindex in C that never end", "move-index") \
    X(insert, "own table.insert", "a length that is a lie", "insert-length") \
    X(remove, "own table.remove", "a length that is a lie", "remove-length") \
    X(unpack, "own table.unpack", "hundreds of thousands of values at once", "unpack-wide") \
    X(sort, "own stable table.sort, comparators in Lua", "sorting seeded by clock and address; comparators in C", "sort-stable") \
    X(pattern_steps, "own patterns, steps counted", "backtracking without an end", "pattern-backtrack") \
    X(pattern_depth, "own patterns, depth bounded", "recursion in the matcher", "pattern-depth") \
    X(plain_find, "plain find in linear time", "quadratic search", "find-quadratic") \
    X(byte, "string.byte gives at most 4,096", "hundreds of thousands of values at once", "byte-wide") \
    X(codepoint, "utf8.codepoint reads at most 4,096", "hundreds of thousands of values at once", "codepoint-wide") \
    /* the same on every machine */ \
    X(tostring, "own tostring, without addresses and __name", "how memory is laid out; two runs that differ", "tostring-address") \
    X(pairs, "pairs and next in the order of keys", "two runs that differ by their hashes", "pairs-order") \
    X(random, "math.random seeded by the decision", "two runs that differ", "random-seed") \
    /* answers and errors */ \
    X(answer_nul, "no NUL in texts", "two readers that see two texts", "answer-nul") \
    X(answer_utf8, "texts are valid UTF-8", "texts that change as they cross", "answer-utf8") \
    X(answer_float, "whole numbers only", "money as a float, NaN", "answer-float") \
    X(answer_function, "no functions", "code handed to the host", "answer-function") \
    X(answer_keys, "names, or 1, 2, 3 …", "keys that two readers read differently", "answer-keys") \
    X(answer_depth, "nesting is bounded", "cycles, recursion over the end of the stack", "answer-cycle") \
    X(answer_nodes, "values are counted", "answers that cost their reader", "answer-wide") \
    X(answer_bytes, "bytes are counted", "one long text many times", "answer-fat") \
    X(answer_raw, "answers are read raw", "metamethods that run while the answer is read", "answer-lies") \
    X(blame, "the error handler calls nothing of the author's", "code that runs after the end; __tostring without a text", \
      "error-tostring")

enum {
#define X(name, what, against, file) LUASHIM_DEFENCE_##name,
    LUASHIM_DEFENCES(X)
#undef X
        LUASHIM_DEFENCE_COUNT
};

typedef struct luashim_defence {
    const char *name;
    const char *what;
    const char *against;
    /// A file of the attack set, without its extension.
    const char *file;
} luashim_defence;

/// NULL behind the last.
const luashim_defence *luashim_defence_at(size_t number);
/// For tests: a state in which the defences whose bits are set are missing.
luashim *luashim_create_without(const luashim_limits *limits, uint64_t missing);
