-- wrk: validates one key for one device.
function request()
  return wrk.format("POST", os.getenv("TARGET"), { ["Content-Type"] = "application/json" },
    '{"license_key":"' .. os.getenv("KEY") .. '","hardware_id":"bench-1"}')
end
