#include <string.h>

#include "box.h"

void text_open(text *text, lua_State *L) {
    text->L = L;
    lua_pushnil(L);
    text->slot = lua_gettop(L);
    text->bytes = text->local;
    text->length = 0;
    text->room = sizeof text->local;
}

char *text_reserve(text *text, size_t count) {
    lua_State *L = text->L;
    uint64_t most = box_of(L)->limits.string_bytes;
    if ((count > most || text->length + count > most) && STANDS(box_of(L), string_bytes))
        luaL_error(L, "the text would be longer than %d bytes", (int)most);
    size_t wanted = text->length + count;
    if (wanted > text->room) {
        size_t room = text->room * 2 > wanted ? text->room * 2 : wanted;
        box_tidy(L);
        char *bytes = lua_newuserdatauv(L, room, 0);
        memcpy(bytes, text->bytes, text->length);
        lua_replace(L, text->slot);
        text->bytes = bytes;
        text->room = room;
    }
    return text->bytes + text->length;
}

void text_add(text *text, const char *bytes, size_t length) {
    if (length == 0) return;
    memcpy(text_reserve(text, length), bytes, length);
    text->length += length;
}

void text_byte(text *text, char byte) {
    if (text->length < text->room) {
        text->bytes[text->length++] = byte;
        return;
    }
    *text_reserve(text, 1) = byte;
    text->length++;
}

void text_push(text *text) { lua_pushlstring(text->L, text->bytes, text->length); }

bool text_is_plain(const char *bytes, size_t length) {
    const unsigned char *at = (const unsigned char *)bytes, *end = at + length;
    while (at < end) {
        unsigned char lead = *at++;
        if (lead == 0) return false;
        if (lead < 0x80) continue;
        int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        if (lead < 0xc2 || lead > 0xf4 || end - at < more) return false;
        unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
        unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
        if (*at < low || *at > high) return false;
        for (int index = 1; index < more; index++)
            if ((at[index] & 0xc0) != 0x80) return false;
        at += more;
    }
    return true;
}
