-- One question, over and over.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"user":{"id":"u","role":"developer"},"device":{"id":"d","hostname":"bench","os":"linux","version":"1"},'
  .. '"license":{"id":"l","tier":"team","status":"active","seats":5,"seats_used":1},'
  .. '"now":{"epoch_seconds":1795253400,"year":2026,"month":11,"day":21,"hour":9,"minute":30,"second":0,"weekday":1}}'
