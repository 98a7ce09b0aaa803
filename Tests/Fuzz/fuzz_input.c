#include "room.h"

// What hooks hand over: any bytes as a call's input, as settings, as the names of a shape, read by a policy that reads all of it.

static const char policy[] =
    "local function walk(v, deep)\n"
    "  if deep > 14 then return 0 end\n"
    "  if type(v) ~= 'table' then return tostring(v) .. type(v) end\n"
    "  local n = #v\n"
    "  for k, w in pairs(v) do n = n .. '' .. tostring(k) .. walk(w, deep + 1) end\n"
    "  local k = next(v)\n"
    "  while k ~= nil do k = next(v, k) end\n"
    "  return n\n"
    "end\n"
    "return { on_call = function(request, settings, data)\n"
    "  pcall(walk, settings, 1) pcall(walk, data, 1) pcall(walk, request, 1)\n"
    "  pcall(function() return request.user.id, request.user.role, request.user.nothing end)\n"
    "  pcall(function() request.user = nil request.n = request rawset(request, 'x', 1) end)\n"
    "  pcall(function() table.sort(settings) end)\n"
    "  return { request, settings, data }\n"
    "end }\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
    if (length < 2) return 0;
    luashim *box = make_room();
    uint32_t unit = 0;
    if (luashim_load(box, policy, sizeof policy - 1, &unit) != LUASHIM_OK) __builtin_trap();
    uint8_t kind = data[0];
    size_t cut = (size_t)data[1] < length - 2 ? data[1] : length - 2;
    const uint8_t *front = data + 2, *back = front + cut;
    size_t back_length = length - 2 - cut;
    luashim_status status = LUASHIM_OK;
    if (kind & 1) status = luashim_shape(box, front, cut);
    if (status <= LUASHIM_ERROR && (kind & 2)) status = luashim_actions(box, back, back_length);
    if (status <= LUASHIM_ERROR) status = luashim_bind(box, unit, front, cut, back, back_length);
    read_report(box, LUASHIM_ERROR);
    if (status <= LUASHIM_ERROR) {
        luashim_request request = {
            .unit = unit, .entry = "on_call", .input = back, .input_length = back_length, .describes = (kind & 4) != 0};
        status = luashim_call(box, &request);
        read_report(box, status);
    }
    luashim_destroy(box);
    return 0;
}
