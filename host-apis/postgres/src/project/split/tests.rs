use proptest::prelude::*;

use super::{lead, split};

/// Statements of `sql` as the history records them, one a line, `|` in front.
fn check(sql: &str, expected: expect_test::Expect) {
    let pieces = split(sql);
    let whole: String = pieces.iter().map(|piece| piece.text).collect();
    assert_eq!(whole, sql, "the pieces are not the text");
    let lines: Vec<String> = pieces
        .iter()
        .map(|piece| {
            let mark = if piece.is_statement { '|' } else { '-' };
            format!("{mark} {}", piece.trimmed().replace('\n', "⏎"))
        })
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn plain_statements() {
    check(
        "select 1; select 2 ;\n\ninsert into t values (3)",
        expect_test::expect![[r#"
            | select 1
            | select 2
            | insert into t values (3)"#]],
    );
}

#[test]
fn strings_and_names() {
    check(
        r#"select ';', 'it''s;', "a;b", U&'\0041;', 'a\'; select E'\';', e'\\'; select name'e;';"#,
        expect_test::expect![[r#"
            | select ';', 'it''s;', "a;b", U&'\0041;', 'a\'
            | select E'\';', e'\\'
            | select name'e;'"#]],
    );
}

#[test]
fn dollar_quotes() {
    check(
        "do $$ begin; end $$; do $a$ $b$;$$ $a$; select $1; select a$b$c; select 1$x$;$x$;",
        expect_test::expect![[r#"
            | do $$ begin; end $$
            | do $a$ $b$;$$ $a$
            | select $1
            | select a$b$c
            | select 1$x$;$x$"#]],
    );
    check(
        "select $ä$;$ä$;select 2",
        expect_test::expect![[r#"
        | select $ä$;$ä$
        | select 2"#]],
    );
}

#[test]
fn comments() {
    check(
        "-- one; 'two\nselect 1; /* a; /* b; */ ' */ select 2; -- last;\n;/* open ;",
        expect_test::expect![[r#"
            | -- one; 'two⏎select 1
            | /* a; /* b; */ ' */ select 2
            - -- last;
            - /* open"#]],
    );
}

#[test]
fn rules_and_atomic_bodies() {
    check(
        "create rule r as on insert to t do (select 1; select 2); select 3;",
        expect_test::expect![[r#"
            | create rule r as on insert to t do (select 1; select 2)
            | select 3"#]],
    );
    check(
        "create or replace function f() returns int language sql begin atomic select case when true then 1 end; select 2; END; select 4; begin; commit;",
        expect_test::expect![[r#"
            | create or replace function f() returns int language sql begin atomic select case when true then 1 end; select 2; END
            | select 4
            | begin
            | commit"#]],
    );
    check(
        "CREATE PROCEDURE p() BEGIN /* ; */ ATOMIC SELECT 1; END; create table atomic (begin int); select 1;",
        expect_test::expect![[r#"
            | CREATE PROCEDURE p() BEGIN /* ; */ ATOMIC SELECT 1; END
            | create table atomic (begin int)
            | select 1"#]],
    );
}

#[test]
fn what_is_not_closed_goes_to_the_end() {
    for sql in ["select 'a; b", "select \"a; b", "do $x$ a; b", "/* a; b", "select (1; 2", "select E'a\\"] {
        assert_eq!(split(sql).len(), 1, "{sql}");
    }
    assert!(split("").is_empty());
}

#[test]
fn the_lead_is_blanks_and_comments() {
    for (sql, expected) in
        [("select", 0), ("  -- a\n select", 8), ("/* a /* b */ */\tselect", 16), ("-- a", 4)]
    {
        assert_eq!(lead(sql), expected, "{sql}");
    }
}

/// One whole token, in which a semicolon ends nothing.
fn token() -> impl Strategy<Value = String> {
    let inside = r"[a-z;\\ \n-]{0,6}";
    prop_oneof![
        "[a-z]{1,5} ".prop_map(String::from),
        "[0-9]{1,3} ".prop_map(String::from),
        inside.prop_map(|text| format!("'{text}'")),
        inside.prop_map(|text| format!("\"{text}\"")),
        inside.prop_map(|text| format!(" $q${text}$q$")),
        r"[a-z; ]{0,6}".prop_map(|text| format!("/* {text} /* ; */ */")),
        r"[a-z; ']{0,6}".prop_map(|text| format!("-- {text}\n")),
        r"[a-z; ]{0,6}".prop_map(|text| format!("({text})")),
        r"[a-z;]{0,4}".prop_map(|text| format!(" E'\\'{text}'")),
    ]
}

proptest! {
    #[test]
    fn pieces_are_the_text(sql in r#"[a-eE;'"$\\/*()\n -]{0,60}"#) {
        let pieces = split(&sql);
        let whole: String = pieces.iter().map(|piece| piece.text).collect();
        prop_assert_eq!(&whole, &sql);
        for piece in pieces.iter().rev().skip(1) {
            prop_assert!(piece.text.ends_with(';'));
        }
    }

    #[test]
    fn any_text_is_cut_at_character_boundaries(sql in any::<String>()) {
        let whole: String = split(&sql).iter().map(|piece| piece.text).collect();
        prop_assert_eq!(whole, sql);
    }

    #[test]
    fn semicolons_inside_tokens_end_nothing(statements in prop::collection::vec(prop::collection::vec(token(), 1..5), 1..6)) {
        let statements: Vec<String> = statements.iter().map(|tokens| tokens.concat()).collect();
        let sql = statements.iter().map(|statement| format!("{statement};")).collect::<String>();
        let found: Vec<&str> = split(&sql).iter().map(|piece| piece.text).collect();
        let expected: Vec<String> = statements.iter().map(|statement| format!("{statement};")).collect();
        prop_assert_eq!(found, expected);
    }
}
