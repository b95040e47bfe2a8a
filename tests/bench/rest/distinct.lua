-- wrk: one row by key, in a thousand shapes: each names its columns differently.
math.randomseed(os.time())

request = function()
    local query = "select=a" .. math.random(1, 1000) .. ":id,title&id=eq." .. math.random(1, 100000)
    return wrk.format("GET", "/rest/v1/items?" .. query)
end
