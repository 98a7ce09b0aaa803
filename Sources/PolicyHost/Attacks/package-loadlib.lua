-- class: escape
-- attack: native code is loaded, or a library is found where the loader keeps it.
-- expect: OK
-- within: 50
if package then return "ESCAPED " .. type(package.loadlib) end
return require and "ESCAPED require" or "SAFE"
