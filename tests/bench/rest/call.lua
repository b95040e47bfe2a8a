-- wrk: a function with two arguments.
wrk.headers["content-type"] = "application/json"
local body = '{"a": 1, "b": 2}'

request = function()
    return wrk.format("POST", "/rest/v1/rpc/add_them", nil, body)
end
