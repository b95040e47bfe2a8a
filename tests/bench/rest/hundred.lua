-- wrk: a hundred rows from a random place on.
math.randomseed(os.time())

request = function()
    return wrk.format("GET", "/rest/v1/items?select=id,title&order=id&limit=100&id=gte." .. math.random(1, 99900))
end
