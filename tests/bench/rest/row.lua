-- wrk: one row by a random primary key.
math.randomseed(os.time())

request = function()
    return wrk.format("GET", "/rest/v1/items?id=eq." .. math.random(1, 100000))
end
