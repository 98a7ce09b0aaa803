#define _GNU_SOURCE
#include <dlfcn.h>

#include "box.h"

const char *luashim_library(void) {
    Dl_info place;
    return dladdr((const void *)(uintptr_t)lua_newstate, &place) ? place.dli_fname : NULL;
}
