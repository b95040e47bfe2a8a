-- wrk: one new row.
wrk.headers["content-type"] = "application/json"
local body = '{"kind": "click", "body": "A button was pressed"}'

request = function()
    return wrk.format("POST", "/rest/v1/events", nil, body)
end
