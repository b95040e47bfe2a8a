//! Function calls.

use crate::catalog::Parameter;
use crate::plan::{Arguments, Call, Qualifier};

use super::body::bound;
use super::{Sql, array_literal};

impl<'a> Sql<'a> {
    /// The rows that the function returns; a scalar is the column `pgrst_scalar`.
    pub(super) fn call(&mut self, call: &Call<'a>) -> &mut Self {
        self.push("SELECT ");
        if call.function.returns_scalar() {
            self.push("pgrst_call.pgrst_scalar");
        } else {
            self.joined(", ", &call.returning, |sql, column| {
                sql.column(Qualifier::Alias("pgrst_call"), column);
            });
        }
        self.push(" ");
        if let Arguments::Json(parameters, payload) = &call.arguments {
            let columns = parameters
                .iter()
                .map(|parameter| (&*parameter.name, &*parameter.type_name.0, None))
                .collect::<Vec<_>>();
            self.json_rows(payload, &columns, None).push(", LATERAL ");
        } else {
            self.push("FROM ");
        }
        if call.function.returns_scalar() {
            self.push("(SELECT ");
            self.applied(call).push(" AS pgrst_scalar) pgrst_call")
        } else {
            self.applied(call).push(" pgrst_call")
        }
    }

    fn applied(&mut self, call: &Call<'a>) -> &mut Self {
        self.qualified(call.schema, call.name).push("(");
        match &call.arguments {
            Arguments::None => {}
            Arguments::Single(parameter, payload) => {
                self.bind(bound(payload)).push("::").push(&parameter.type_name.0);
            }
            Arguments::Texts(arguments) => {
                self.joined(", ", arguments, |sql, (parameter, values)| {
                    sql.named(parameter);
                    match values.as_slice() {
                        [only] if !parameter.variadic => sql.text(*only),
                        several => sql.text(array_literal(several.iter().copied())),
                    };
                    sql.push("::").push(&parameter.type_name.0);
                });
            }
            Arguments::Json(parameters, _) => {
                self.joined(", ", parameters, |sql, parameter| {
                    sql.named(parameter);
                    sql.column(Qualifier::Alias("pgrst_body"), &parameter.name);
                });
            }
        }
        self.push(")")
    }

    fn named(&mut self, parameter: &Parameter) {
        if parameter.variadic {
            self.push("VARIADIC ");
        }
        self.identifier(&parameter.name).push(" := ");
    }
}
