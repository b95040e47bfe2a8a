//! Reads todos as the caller: the same SQL gives every user their own rows.

use std::error::Error;

use isobase_sdk::{Request, Response, caller, database, handler};
use serde_json::{Value, json};

handler!(serve);

fn serve(_request: Request) -> Result<Response, Box<dyn Error>> {
    let table = database::query("select id, title, done from todos order by id", ())?;
    let todos = table
        .rows()
        .map(|row| {
            Ok(json!({
                "id": row.get::<i64>("id")?,
                "title": row.get::<String>("title")?,
                "done": row.get::<bool>("done")?,
            }))
        })
        .collect::<Result<Vec<Value>, database::Error>>()?;
    Ok(Response::json(&json!({ "role": caller::current().role, "todos": todos })))
}
