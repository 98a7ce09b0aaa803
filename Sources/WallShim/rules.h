#pragma once

/// Leaves the process the system calls that a running Swift program needs, on what it already holds: an allow-list. 0, or -1 with errno.
int prison_close_system_calls(void);
