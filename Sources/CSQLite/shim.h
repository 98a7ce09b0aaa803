#include <sqlite3.h>

// What Swift cannot call: a variadic function, and the destructor constants that are casts.

static inline int coditect_sqlite_flag(sqlite3 *db, int option, int on) {
    int now = -1;
    return sqlite3_db_config(db, option, on, &now);
}
static inline int coditect_sqlite_bind_text(sqlite3_stmt *statement, int index, const char *bytes, sqlite3_uint64 count) {
    return sqlite3_bind_text64(statement, index, count ? bytes : "", count, SQLITE_TRANSIENT, SQLITE_UTF8);
}
static inline int coditect_sqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, sqlite3_uint64 count) {
    return count ? sqlite3_bind_blob64(statement, index, bytes, count, SQLITE_TRANSIENT) : sqlite3_bind_zeroblob(statement, index, 0);
}
// Before the first connection: no count of memory in use, whose lock every allocation of every thread would take.
static inline void coditect_sqlite_begin(void) { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }
static inline void coditect_sqlite_result_blob(sqlite3_context *context, const void *bytes, int count) {
    sqlite3_result_blob(context, bytes, count, SQLITE_TRANSIENT);
}
