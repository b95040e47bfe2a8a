-- wrk: a thousand rows, new or not, of one of sixteen ranges; the same as shapes.rs makes.
wrk.headers["content-type"] = "application/json"
wrk.headers["prefer"] = "resolution=merge-duplicates"
math.randomseed(os.time())
-- supabase-js names the columns of every array it sends.
local path = "/rest/v1/stock?columns=%22id%22%2C%22amount%22%2C%22label%22"
local bodies = {}
for range = 0, 15 do
    local rows = {}
    for index = 1, 1000 do
        local id = range * 1000 + index
        rows[index] = string.format('{"id": %d, "amount": %d, "label": "Label %d"}', id, id % 7, id)
    end
    bodies[range] = "[" .. table.concat(rows, ", ") .. "]"
end

request = function()
    return wrk.format("POST", path, nil, bodies[math.random(0, 15)])
end
