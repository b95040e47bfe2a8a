-- wrk: a filtered list with a row of another table in each row.
math.randomseed(os.time())

request = function()
    local query = "select=id,body,items(id,title)&order=id&limit=20&kind=eq.kind%20" .. math.random(0, 99)
    return wrk.format("GET", "/rest/v1/notes?" .. query)
end
