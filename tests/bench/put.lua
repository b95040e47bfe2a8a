-- wrk: stores one object after another, each under a name of its own. BYTES is replaced by their length.
local body = string.rep("x", BYTES)
local run = os.time() .. "-BYTES-"
local number = 0

request = function()
    number = number + 1
    return wrk.format("POST", "/functions/v1/files?name=" .. run .. number, nil, body)
end
