#![expect(clippy::print_stdout, reason = "counts of vectors are read by people")]

use super::*;

fn bearer(realm: &str, parameters: &[(&str, &str)]) -> Result<Demand, String> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Ok(Demand::Bearer {
        realm: realm.to_owned(),
        parameters: parameters.iter().map(own).collect(),
    })
}

#[test]
fn challenges_are_read_as_the_vectors_say() {
    let table: Vec<(&str, &[&str], Result<Demand, String>)> = vec![
        (
            "V-cmd-60",
            &[r#"Bearer realm="https://a/t",service="s, \"x\"",scope="repository:x:pull""#],
            bearer(
                "https://a/t",
                &[("service", "s, \"x\""), ("scope", "repository:x:pull")],
            ),
        ),
        (
            "V-cmd-61 one header",
            &[r#"Basic realm="r", Bearer realm="https://a/t",service="s""#],
            bearer("https://a/t", &[("service", "s")]),
        ),
        (
            "V-cmd-61 two headers",
            &[
                r#"Basic realm="r""#,
                r#"Bearer realm="https://a/t",service="s""#,
            ],
            bearer("https://a/t", &[("service", "s")]),
        ),
        (
            "V-cmd-61 Bearer without realm",
            &[r#"Bearer service="s", Basic realm="r""#],
            Ok(Demand::Basic),
        ),
        (
            "V-cmd-62",
            &["bearer REALM=https://a/t"],
            bearer("https://a/t", &[]),
        ),
        ("V-cmd-62 Basic alone", &["basic"], Ok(Demand::Basic)),
        (
            "scope twice",
            &[r#"Bearer realm="https://a/t", scope="a", scope="b""#],
            bearer("https://a/t", &[("scope", "a"), ("scope", "b")]),
        ),
        (
            "others",
            &["Negotiate abc==, Digest realm=x"],
            Err("Negotiate, Digest".to_owned()),
        ),
        ("none", &[], Err("no challenge".to_owned())),
        (
            "garbage",
            &["\u{fc}=,\"\"==,"],
            Err("no challenge".to_owned()),
        ),
    ];
    for (name, headers, demand) in &table {
        assert_eq!(&choose(&parse(headers.iter().copied())), demand, "{name}");
    }
    println!("commands.md §4.2 challenges: {} rows", table.len());
}

proptest::proptest! {
    #[test]
    fn no_header_makes_the_parser_fail(header in "[ -~]{0,80}|\\PC{0,40}") {
        let _ = choose(&parse([header.as_str()]));
    }
}
