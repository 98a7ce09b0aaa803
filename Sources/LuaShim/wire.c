#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"

// MARK: Inward

typedef struct reader {
    lua_State *L;
    const uint8_t *at;
    const uint8_t *end;
    uint32_t nodes;
    bool as_view;
    /// Where the buffer began, if objects in it are left for later.
    const uint8_t *start;
} reader;

static void need(reader *reader, size_t count) {
    if ((size_t)(reader->end - reader->at) < count) luaL_error(reader->L, "the buffer ends early");
}

static uint32_t take_count(reader *reader) {
    uint32_t value;
    need(reader, sizeof value);
    memcpy(&value, reader->at, sizeof value);
    reader->at += sizeof value;
    return value;
}

static void take_string(reader *reader) {
    uint32_t length = take_count(reader);
    need(reader, length);
    if (memchr(reader->at, 0, length) != NULL) luaL_error(reader->L, "a text with NUL");
    lua_pushlstring(reader->L, (const char *)reader->at, length);
    reader->at += length;
}

static void take_value(reader *reader, uint32_t depth, const char *label);

/// After the tag.
static void take_shaped(reader *reader, uint32_t depth) {
    lua_State *L = reader->L;
    lua_Integer shape = (lua_Integer)take_count(reader) + 1;
    need(reader, take_count(reader));
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_SHAPE_NAMES);
    if (lua_rawgeti(L, -1, shape) != LUA_TTABLE) luaL_error(L, "no such shape");
    lua_replace(L, -2);
    // The first of the names is what the object itself is called.
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    lua_createtable(L, 0, (int)count - 1);
    for (lua_Integer place = 2; place <= count; place++) {
        need(reader, 1);
        if (reader->start != NULL && *reader->at == LUASHIM_SHAPED) {
            uint32_t offset = (uint32_t)(reader->at - reader->start);
            reader->at++;
            uint32_t inner = take_count(reader), length = take_count(reader);
            need(reader, length);
            if (inner >= box_of(L)->shapes) luaL_error(L, "no such shape");
            box_of(L)->unread[inner] = offset;
            reader->at += length;
            continue;
        }
        if (*reader->at == LUASHIM_NIL) {
            reader->at++;
            continue;
        }
        lua_rawgeti(L, -2, place);
        take_value(reader, depth + 1, NULL);
        lua_rawset(L, -3);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_SHAPES);
    lua_rawgeti(L, -1, shape);
    lua_setmetatable(L, -3);
    lua_pop(L, 1);
    lua_replace(L, -2);
}

static void take_value(reader *reader, uint32_t depth, const char *label) {
    lua_State *L = reader->L;
    luashim *box = box_of(L);
    if (depth > box->limits.depth) luaL_error(L, "nested deeper than %d", (int)box->limits.depth);
    if (++reader->nodes > box->limits.nodes) luaL_error(L, "more than %d values", (int)box->limits.nodes);
    luaL_checkstack(L, 6, NULL);
    need(reader, 1);
    uint8_t tag = *reader->at++;
    switch (tag) {
    case LUASHIM_NIL: lua_pushnil(L); return;
    case LUASHIM_FALSE: lua_pushboolean(L, 0); return;
    case LUASHIM_TRUE: lua_pushboolean(L, 1); return;
    case LUASHIM_INTEGER: {
        int64_t number;
        need(reader, sizeof number);
        memcpy(&number, reader->at, sizeof number);
        reader->at += sizeof number;
        lua_pushinteger(L, number);
        return;
    }
    case LUASHIM_STRING: take_string(reader); return;
    case LUASHIM_LIST: {
        uint32_t count = take_count(reader);
        need(reader, count);
        lua_createtable(L, (int)count, 0);
        for (uint32_t index = 1; index <= count; index++) {
            take_value(reader, depth + 1, NULL);
            lua_rawseti(L, -2, index);
        }
        break;
    }
    case LUASHIM_OBJECT: {
        uint32_t count = take_count(reader);
        need(reader, (size_t)count * 5);
        lua_createtable(L, 0, (int)count);
        for (uint32_t index = 0; index < count; index++) {
            take_string(reader);
            take_value(reader, depth + 1, NULL);
            lua_rawset(L, -3);
        }
        break;
    }
    case LUASHIM_SHAPED: take_shaped(reader, depth); return;
    default: luaL_error(L, "an unknown tag in the buffer");
    }
    if (reader->as_view) view_wrap(L, label);
}

void wire_decode(lua_State *L, const uint8_t *bytes, size_t length, bool as_view, const char *label) {
    if (length == 0) {
        lua_pushnil(L);
        return;
    }
    reader reader = {.L = L, .at = bytes, .end = bytes + length, .as_view = as_view};
    take_value(&reader, 0, label);
    if (reader.at != reader.end) luaL_error(L, "the buffer is longer than its value");
}

void wire_decode_input(lua_State *L) {
    luashim *box = box_of(L);
    for (uint32_t shape = 0; shape < box->shapes; shape++) box->unread[shape] = 0;
    if (box->input_length == 0) {
        lua_pushnil(L);
        return;
    }
    reader reader = {.L = L, .at = box->input, .end = box->input + box->input_length, .start = box->input};
    take_value(&reader, 0, NULL);
    if (reader.at != reader.end) luaL_error(L, "the buffer is longer than its value");
}

void wire_decode_unread(lua_State *L, uint32_t offset) {
    luashim *box = box_of(L);
    reader reader = {.L = L, .at = box->input + offset, .end = box->input + box->input_length, .start = box->input};
    take_value(&reader, 1, NULL);
}

// MARK: Outward

typedef struct step {
    const char *name;
    size_t length;
    lua_Integer position;
} step;

typedef struct writer {
    lua_State *L;
    luashim *box;
    uint32_t nodes;
    bool describes;
    uint32_t depth;
    step path[64];
} writer;

static void put(writer *writer, const void *bytes, size_t length) {
    luashim *box = writer->box;
    if (box->answer_length + length > box->limits.memory_bytes / 4 && STANDS(box, answer_bytes))
        luaL_error(writer->L, "the answer is too large");
    if (box->answer_length + length > box->answer_room) {
        size_t room = box->answer_room * 2 > box->answer_length + length ? box->answer_room * 2 : box->answer_length + length + 1024;
        uint8_t *answer = realloc(box->answer, room);
        if (answer == NULL) box_kill(box, LUASHIM_KILLED_MEMORY);
        box->answer = answer;
        box->answer_room = room;
    }
    memcpy(box->answer + box->answer_length, bytes, length);
    box->answer_length += length;
}

static void put_tag(writer *writer, uint8_t tag) { put(writer, &tag, 1); }
static void put_count(writer *writer, uint32_t count) { put(writer, &count, sizeof count); }

/// Raises an ordinary error that names the place of the value in the answer.
static void refuse(writer *writer, const char *format, ...) {
    luashim *box = writer->box;
    size_t length = 0;
    for (uint32_t index = 0; index < writer->depth && length < 100; index++) {
        const step *step = &writer->path[index];
        if (step->name != NULL && step->length == 0) continue;
        char *end = box->path + length;
        size_t room = sizeof box->path - length;
        int printed = step->name == NULL ? snprintf(end, room, "[%lld]", (long long)step->position)
                                         : snprintf(end, room, "%s%.*s", length > 0 ? "." : "", (int)step->length, step->name);
        length += printed > 0 ? (size_t)printed : 0;
    }
    char why[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    lua_pushfstring(writer->L, "%s%s%s", box->path, box->path[0] != 0 ? ": " : "", why);
    lua_error(writer->L);
}

static void put_string(writer *writer, const char *bytes, size_t length) {
    if (!text_is_plain(bytes, length)) {
        if (memchr(bytes, 0, length) != NULL) {
            if (STANDS(writer->box, answer_nul)) refuse(writer, "a text with NUL is not accepted");
        } else if (STANDS(writer->box, answer_utf8)) {
            refuse(writer, "a text must be valid UTF-8");
        }
    }
    put_count(writer, (uint32_t)length);
    put(writer, bytes, length);
}

static void put_value(writer *writer, int index);

/// Every way down goes through here, so the path and the C stack are bounded by the depth.
static void descend(writer *writer, step step) {
    bool has_room = writer->depth < sizeof writer->path / sizeof *writer->path;
    if ((writer->depth >= writer->box->limits.depth || !has_room) && STANDS(writer->box, answer_depth))
        refuse(writer, "nested deeper than %u (a table that contains itself?)", writer->box->limits.depth);
    if (has_room) writer->path[writer->depth] = step;
    writer->depth++;
}

/// The value on top, which it pops.
static void put_member(writer *writer, step step) {
    descend(writer, step);
    put_value(writer, -1);
    writer->depth--;
    lua_pop(writer->L, 1);
}

/// What allow, deny, plan and the actions' constructors made: three values, of which paths say nothing.
static void put_made(writer *writer, int made, uint8_t tag) {
    put_tag(writer, tag);
    if (tag == LUASHIM_ANSWER) {
        if (lua_getiuservalue(writer->L, made, 2) == LUA_TNUMBER) writer->box->line = (int)lua_tointeger(writer->L, -1);
        lua_pop(writer->L, 1);
    }
    for (int place = 1; place <= 3; place++) {
        lua_getiuservalue(writer->L, made, place);
        put_member(writer, (step){.name = ""});
    }
}

static void put_mixed(writer *writer, int table, const key *keys, size_t count) {
    lua_State *L = writer->L;
    put_tag(writer, LUASHIM_OBJECT);
    put_count(writer, (uint32_t)count);
    for (size_t index = 0; index < count; index++) {
        if (keys[index].rank == 1) refuse(writer, "a key is neither a name nor 1, 2, 3 …");
        if (keys[index].rank == 0) {
            char name[32];
            put_string(writer, name, (size_t)snprintf(name, sizeof name, "#%lld", (long long)keys[index].integer));
            lua_rawgeti(L, table, keys[index].integer);
            put_member(writer, (step){.position = keys[index].integer});
        } else {
            put_string(writer, keys[index].bytes, keys[index].length);
            lua_pushlstring(L, keys[index].bytes, keys[index].length);
            lua_rawget(L, table);
            put_member(writer, (step){.name = keys[index].bytes, .length = keys[index].length});
        }
    }
}

/// For tests: as a reader does that trusts the author's metamethods.
static bool put_told(writer *writer, int table) {
    lua_State *L = writer->L;
    if (luaL_getmetafield(L, table, "__len") == LUA_TNIL) return false;
    lua_Integer count = luaL_len(L, table);
    put_tag(writer, LUASHIM_LIST);
    put_count(writer, (uint32_t)count);
    for (lua_Integer position = 1; position <= count; position++, put_member(writer, (step){.position = position}))
        lua_geti(L, table, position);
    lua_pop(L, 1);
    return true;
}

static void put_table(writer *writer, int table) {
    lua_State *L = writer->L;
    if (!STANDS(writer->box, answer_raw) && put_told(writer, table)) return;
    lua_pushnil(L);
    if (lua_next(L, table) == 0) {  // allow{} is what most policies answer
        put_tag(writer, LUASHIM_OBJECT);
        put_count(writer, 0);
        return;
    }
    lua_pop(L, 2);
    size_t count;
    const key *keys = keys_sorted(L, table, &count);
    int top = lua_gettop(L);
    if (keys[0].rank == 2 && keys[count - 1].rank == 2) {
        put_tag(writer, LUASHIM_OBJECT);
        put_count(writer, (uint32_t)count);
        for (size_t index = 0; index < count; index++) {
            step member = {.name = keys[index].bytes, .length = keys[index].length};
            descend(writer, member);
            put_string(writer, member.name, member.length);
            writer->depth--;
            lua_pushlstring(L, member.name, member.length);
            lua_rawget(L, table);
            put_member(writer, member);
        }
    } else if (keys[0].rank == 0 && keys[0].integer == 1 && keys[count - 1].rank == 0 && keys[count - 1].integer == (lua_Integer)count) {
        put_tag(writer, LUASHIM_LIST);
        put_count(writer, (uint32_t)count);
        for (lua_Integer position = 1; position <= (lua_Integer)count; position++) {
            lua_rawgeti(L, table, position);
            put_member(writer, (step){.position = position});
        }
    } else if ((writer->describes || !STANDS(writer->box, answer_keys)) && keys[count - 1].rank <= 2 && keys[0].rank == 0) {
        put_mixed(writer, table, keys, count);
    } else {
        refuse(writer, "a table must have either names or 1, 2, 3 … as its keys");
    }
    lua_settop(L, top - 2);
}

static void put_value(writer *writer, int index) {
    lua_State *L = writer->L;
    index = lua_absindex(L, index);
    luaL_checkstack(L, 12, NULL);
    if (++writer->nodes > writer->box->limits.nodes && STANDS(writer->box, answer_nodes))
        refuse(writer, "more than %u values", writer->box->limits.nodes);
    switch (lua_type(L, index)) {
    case LUA_TNIL: put_tag(writer, LUASHIM_NIL); return;
    case LUA_TBOOLEAN: put_tag(writer, lua_toboolean(L, index) ? LUASHIM_TRUE : LUASHIM_FALSE); return;
    case LUA_TNUMBER: {
        if (!lua_isinteger(L, index) && STANDS(writer->box, answer_float)) {
            lua_pushvalue(L, index);
            refuse(writer, "%.40s is not a whole number", lua_tostring(L, -1));
        }
        int64_t number = lua_tointeger(L, index);
        put_tag(writer, LUASHIM_INTEGER);
        put(writer, &number, sizeof number);
        return;
    }
    case LUA_TSTRING: {
        size_t length;
        const char *bytes = lua_tolstring(L, index, &length);
        put_tag(writer, LUASHIM_STRING);
        put_string(writer, bytes, length);
        return;
    }
    case LUA_TTABLE:
        shape_settle(L, index);
        put_table(writer, index);
        return;
    case LUA_TUSERDATA:
        if (answer_is(L, index, SLOT_ANSWER_META)) put_made(writer, index, LUASHIM_ANSWER);
        else if (answer_is(L, index, SLOT_ACTION_META)) put_made(writer, index, LUASHIM_ACTION);
        else break;
        return;
    case LUA_TFUNCTION:
        if (writer->describes && !lua_iscfunction(L, index)) {
            lua_Debug activation;
            lua_pushvalue(L, index);
            lua_getinfo(L, ">S", &activation);
            put_tag(writer, LUASHIM_FUNCTION);
            put_count(writer, (uint32_t)activation.linedefined);
            return;
        }
        break;
    default: break;
    }
    if (view_table(L, index)) {
        put_table(writer, lua_gettop(L));
        lua_pop(L, 1);
        return;
    }
    if (STANDS(writer->box, answer_function)) refuse(writer, "a %s is not accepted", luaL_typename(L, index));
    put_tag(writer, LUASHIM_NIL);
}

void wire_encode(lua_State *L, int index, bool describes) {
    writer writer = {.L = L, .box = box_of(L), .describes = describes};
    put_value(&writer, index);
}
