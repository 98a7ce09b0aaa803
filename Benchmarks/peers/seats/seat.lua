-- The Lua neighbour: nginx with LuaJIT. It reaches the libcrypto that nginx is linked to by FFI, so its signatures are the real thing.
local ffi = require "ffi"
local json = require("cjson.safe").new()
local lru = require "resty.lrucache"
local redis = require "nginx.redis"
ffi.cdef [[
void *BIO_new_mem_buf(const void *buf, int len); int BIO_free(void *a);
void *PEM_read_bio_PrivateKey(void *bp, void **x, void *cb, void *u);
void *PEM_read_bio_PUBKEY(void *bp, void **x, void *cb, void *u);
void *EVP_MD_CTX_new(void); int EVP_MD_CTX_reset(void *ctx); const void *EVP_sha256(void);
int EVP_DigestVerifyInit(void *ctx, void **pctx, const void *type, void *e, void *pkey);
int EVP_DigestVerify(void *ctx, const unsigned char *sig, size_t siglen, const unsigned char *tbs, size_t tbslen);
int EVP_DigestSignInit(void *ctx, void **pctx, const void *type, void *e, void *pkey);
int EVP_DigestSign(void *ctx, unsigned char *sig, size_t *siglen, const unsigned char *tbs, size_t tbslen);
int EVP_PKEY_CTX_set_rsa_padding(void *ctx, int pad); int EVP_PKEY_CTX_set_rsa_pss_saltlen(void *ctx, int len);
int RAND_bytes(unsigned char *buf, int num); void ERR_clear_error(void);
]]
local C = ffi.C
local PSS_PADDING, PSS_LONGEST_SALT = 6, -3
local M, set, token_key, answer_key, kept, scripts = {}, nil, nil, nil, nil, {}
local context = C.EVP_MD_CTX_new()
local signature, signature_length, key_context = ffi.new("unsigned char[1024]"), ffi.new("size_t[1]"), ffi.new("void*[1]")
local random = ffi.new("unsigned char[16]")

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end
local function key(path, load)
  local text = read(path)
  local bio = C.BIO_new_mem_buf(text, #text)
  local found = load(bio, nil, nil, nil)
  C.BIO_free(bio)
  assert(found ~= nil, "cannot read " .. path)
  return found
end
local function hex(bytes)
  return (bytes:gsub(".", function(sign) return string.format("%02x", sign:byte()) end))
end

function M.setup(options)
  set = options
  token_key = key(set.keys .. "/token.pub.pem", C.PEM_read_bio_PUBKEY)
  answer_key = key(set.keys .. (set.fast and "/ed25519.pem" or "/rsa.pem"), C.PEM_read_bio_PrivateKey)
  if set.fast then kept = assert(lru.new(10000)) end
  for _, name in ipairs { "acquire", "heartbeat" } do
    local text = read(set.here .. "/" .. name .. ".lua")
    scripts[name] = { text = text, digest = hex(ngx.sha1_bin(text)) }
  end
end

local function unpack64(text)
  return ngx.decode_base64((text:gsub("[-_]", { ["-"] = "+", ["_"] = "/" })) .. ("="):rep(-#text % 4))
end
local function integer(bytes) -- unsigned, big end first, as ASN.1 has it
  bytes = bytes:gsub("^%z+", "")
  if bytes == "" or bytes:byte() >= 128 then bytes = "\0" .. bytes end
  return "\2" .. string.char(#bytes) .. bytes
end
local function is_signed(message, raw)
  if #raw ~= 64 then return false end
  local body = integer(raw:sub(1, 32)) .. integer(raw:sub(33, 64))
  local der = "\48" .. string.char(#body) .. body
  C.EVP_MD_CTX_reset(context)
  if C.EVP_DigestVerifyInit(context, nil, C.EVP_sha256(), nil, token_key) ~= 1 then return false end
  local holds = C.EVP_DigestVerify(context, der, #der, message, #message) == 1
  if not holds then C.ERR_clear_error() end
  return holds
end
local function sign(message)
  C.EVP_MD_CTX_reset(context)
  assert(C.EVP_DigestSignInit(context, key_context, not set.fast and C.EVP_sha256() or nil, nil, answer_key) == 1)
  if not set.fast then
    assert(C.EVP_PKEY_CTX_set_rsa_padding(key_context[0], PSS_PADDING) == 1)
    assert(C.EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context[0], PSS_LONGEST_SALT) == 1)
  end
  signature_length[0] = 1024
  assert(C.EVP_DigestSign(context, signature, signature_length, message, #message) == 1)
  return hex(ffi.string(signature, signature_length[0]))
end

local function say(status, value)
  local text = json.encode(value)
  ngx.status = status
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Content-Length"] = #text
  ngx.print(text)
  return ngx.exit(ngx.HTTP_OK)
end
local function tenant()
  local header = ngx.var.http_authorization
  if not header or header:sub(1, 7) ~= "Bearer " then return nil end
  local token, now = header:sub(8), ngx.time()
  local known = kept and kept:get(token)
  if known and known.ends > now then return known.tenant end
  local first, second, third = token:match("^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$")
  if not first then return nil end
  local head, claims, raw = json.decode(unpack64(first) or ""), json.decode(unpack64(second) or ""), unpack64(third)
  if type(head) ~= "table" or head.alg ~= "ES256" or type(claims) ~= "table" or not raw then return nil end
  if not is_signed(first .. "." .. second, raw) then return nil end
  local owner = claims.tenant_id
  if type(claims.exp) ~= "number" or claims.exp <= now then return nil end
  if type(owner) ~= "string" or owner == "" or #owner > 64 or owner:find("}", 1, true) then return nil end
  if kept then kept:set(token, { tenant = owner, ends = claims.exp }, claims.exp - now) end
  return owner
end
local function body()
  ngx.req.read_body()
  local text = ngx.req.get_body_data()
  local value = text and json.decode(text)
  return type(value) == "table" and value or {}
end
local function is_text(value, longest) return type(value) == "string" and value ~= "" and #value <= longest end

local function run(name, count, ...)
  local connection = redis:new()
  connection:set_timeout(2000)
  local ok, trouble = connection:connect("127.0.0.1", set.redis_port, { pool_size = 128 })
  if not ok then return nil, trouble end
  local script = scripts[name]
  local found, failure = connection:evalsha(script.digest, count, ...)
  if not found and failure and failure:find("NOSCRIPT", 1, true) then found, failure = connection:eval(script.text, count, ...) end
  if found then connection:set_keepalive(60000, 128) else connection:close() end
  return found, failure
end

function M.acquire()
  local owner = tenant()
  if not owner then return say(401, { error = "bad_token" }) end
  local asked = body()
  if not (is_text(asked.hardware_id, 128) and is_text(asked.hostname, 255) and is_text(asked.os, 64) and is_text(asked.version, 64)) then
    return say(422, { error = "bad_request" })
  end
  local tag = "{" .. owner .. "}:"
  assert(C.RAND_bytes(random, 16) == 1)
  local got, trouble = run("acquire", 4, tag .. "seats", tag .. "devices", tag .. "holders", tag .. "limits",
    asked.hardware_id, hex(ffi.string(random, 16)))
  if not got then ngx.log(ngx.ERR, trouble) return say(503, { error = "store" }) end
  if got[1] < 0 then return say(403, { error = "unknown_tenant" }) end
  if got[1] == 0 then return say(429, { error = "no_seats_available", seats_used = got[3], seats_total = got[4] }) end
  local ends = os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(got[5] / 1000))
  local message = string.format('{"expires_at": "%s", "license_id": "%s", "session_id": "%s"}', ends, owner, got[2])
  return say(200, { license_id = owner, session_id = got[2], seats_used = got[3], seats_total = got[4], expires_at = ends,
    signature = sign(message), heartbeat_interval = 300 })
end

function M.heartbeat()
  local owner = tenant()
  if not owner then return say(401, { error = "bad_token" }) end
  local asked = body()
  if not is_text(asked.session_id, 64) then return say(422, { error = "bad_request" }) end
  local tag = "{" .. owner .. "}:"
  local got, trouble = run("heartbeat", 2, tag .. "seats", tag .. "limits", asked.session_id)
  if not got then ngx.log(ngx.ERR, trouble) return say(503, { error = "store" }) end
  if got[1] ~= 1 then return say(404, { status = "expired", expires_in = 0 }) end
  return say(200, { status = "ok", expires_in = got[2] })
end
return M
