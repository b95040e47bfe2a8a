-- wrk: one row by key, each request with the next token of the file that TOKENS names.
math.randomseed(os.time())
local tokens = {}
for line in io.lines(os.getenv("TOKENS")) do
    tokens[#tokens + 1] = "Bearer " .. line
end
local next_token = 0

request = function()
    next_token = next_token % #tokens + 1
    local path = "/rest/v1/items?id=eq." .. math.random(1, 100000)
    return wrk.format("GET", path, { authorization = tokens[next_token] })
end
