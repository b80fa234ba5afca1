use super::*;
use crate::model::proxy::Pattern;
use crate::rules::test_support::location;
use alloc::string::ToString;
use alloc::vec;
use core::convert::Infallible;

/// Written as in a file: a kind, a name, and the locations nested in it.
struct Written(&'static str, &'static str, Vec<Written>);

fn add(plan: &mut HttpPlan, written: &Written) -> LocationId {
    let Written(kind, name, nested) = written;
    let matches = match *kind {
        "=" => LocationMatch::Exact(name.to_string()),
        "^~" => LocationMatch::PrefixNoRegex(name.to_string()),
        "~" => {
            LocationMatch::Regex(Pattern { source: name.to_string(), ignore_case: false, names: Vec::new() })
        }
        _ => LocationMatch::Prefix(name.to_string()),
    };
    let id = LocationId(u32::try_from(plan.locations.len()).expect("a test has few locations"));
    plan.locations.push(location(matches));
    let scope = scope(plan, nested);
    plan.locations[id.0 as usize].scope = scope;
    id
}

fn scope(plan: &mut HttpPlan, written: &[Written]) -> LocationScope {
    let mut scope = LocationScope::default();
    for one in written {
        let id = add(plan, one);
        if one.0 == "~" { &mut scope.regexes } else { &mut scope.prefixes }.push(id);
    }
    scope
}

fn tree(plan: &mut HttpPlan, written: &[Written]) -> LocationTree {
    plan.locations.push(location(LocationMatch::Base));
    let scope = scope(plan, written);
    let mut levels = Vec::new();
    Level::build(plan, &scope, &mut levels);
    LocationTree { base: LocationId(0), levels }
}

/// The name of the location found, with its kind; a `~` matches when the URI ends with its name.
fn find(plan: &HttpPlan, tree: &LocationTree, uri: &str) -> alloc::string::String {
    let text = |id: LocationId| match &plan.locations[id.0 as usize].matches {
        LocationMatch::Exact(name) => alloc::format!("= {name}"),
        LocationMatch::Prefix(name) => name.clone(),
        LocationMatch::PrefixNoRegex(name) => alloc::format!("^~ {name}"),
        LocationMatch::Regex(pattern) => alloc::format!("~ {}", pattern.source),
        LocationMatch::Named(_) | LocationMatch::Base => "base".to_string(),
    };
    let found = tree.find(uri.as_bytes(), |id| {
        let LocationMatch::Regex(pattern) = &plan.locations[id.0 as usize].matches else {
            panic!("only regular expressions are asked about")
        };
        Ok::<bool, Infallible>(uri.ends_with(&pattern.source))
    });
    match found {
        Ok(Found::Location(id)) => text(id),
        Ok(Found::AddSlash(id)) => alloc::format!("{} adds a slash", text(id)),
        Err(never) => match never {},
    }
}

#[test]
fn follows_the_order_of_the_manual() {
    let mut plan = HttpPlan::default();
    let tree = tree(
        &mut plan,
        &[
            Written("", "/", vec![]),
            Written("=", "/", vec![]),
            Written("", "/documents/", vec![]),
            Written("^~", "/images/", vec![]),
            Written("", "/images/deep/", vec![]),
            Written("~", ".gif", vec![]),
            Written("~", "f", vec![]),
            Written("=", "/documents/x.gif", vec![]),
        ],
    );
    let rows = [
        ("/", "= /"),
        ("/index.html", "/"),
        ("/documents/document.html", "/documents/"),
        ("/images/1.gif", "^~ /images/"),
        ("/images/deep/1.gif", "~ .gif"),
        ("/documents/1.gif", "~ .gif"),
        ("/documents/x.gif", "= /documents/x.gif"),
        ("/documents/x.gif2", "/documents/"),
        ("/pdf", "~ f"),
        ("/image", "/"),
    ];
    for (uri, expected) in rows {
        assert_eq!(find(&plan, &tree, uri), expected, "{uri}");
    }
}

#[test]
fn without_a_match_the_server_itself_answers() {
    let mut plan = HttpPlan::default();
    let tree = tree(
        &mut plan,
        &[Written("", "/a/b", vec![]), Written("", "/a", vec![]), Written("=", "/c", vec![])],
    );
    let rows = [
        ("/", "base"),
        ("/b", "base"),
        ("/a", "/a"),
        ("/ab", "/a"),
        ("/a/b", "/a/b"),
        ("/a/a", "/a"),
        ("/a/c", "/a"),
        ("/c/", "base"),
        ("/a/bb", "/a/b"),
    ];
    for (uri, expected) in rows {
        assert_eq!(find(&plan, &tree, uri), expected, "{uri}");
    }
}

/// The choices of nginx 1.22.1 for the same file.
#[test]
fn nested_locations_are_searched_before_outer_expressions() {
    let mut plan = HttpPlan::default();
    let tree = tree(
        &mut plan,
        &[
            Written(
                "",
                "/a/",
                vec![
                    Written("", "/a/b/", vec![]),
                    Written("=", "/a/c", vec![]),
                    Written("~", ".in", vec![]),
                    Written("^~", "/a/d/", vec![]),
                ],
            ),
            Written("^~", "/n/", vec![Written("~", ".in", vec![])]),
            Written("~", ".out", vec![Written("", "/a/x", vec![])]),
            Written("~", ".in", vec![]),
        ],
    );
    let rows = [
        ("/a/b/c", "/a/b/"),
        ("/a/c", "= /a/c"),
        ("/a/b/c.in", "~ .in"),
        ("/a/b/c.out", "~ .out"),
        ("/a/d/c.in", "~ .in"),
        ("/a/x.out", "/a/x"),
        ("/n/c.in", "~ .in"),
        ("/n/c.out", "^~ /n/"),
    ];
    for (uri, expected) in rows {
        assert_eq!(find(&plan, &tree, uri), expected, "{uri}");
    }
}

#[test]
fn many_names_with_common_beginnings() {
    let mut plan = HttpPlan::default();
    let names = ["/", "/a", "/a/", "/a/b", "/a/bc", "/a/b/c", "/ab", "/b", "/b/c/d/e", "/b/c"];
    let written: Vec<_> = names.iter().map(|name| Written("", name, vec![])).collect();
    let tree = tree(&mut plan, &written);
    for uri in ["/", "/a", "/a/b/c/d", "/a/bd", "/abc", "/b/c/d/", "/b/c/d/e/f", "/c", "/a/c", "/b/d", "/a-"]
    {
        let expected = names.iter().filter(|name| uri.starts_with(**name)).max_by_key(|name| name.len());
        assert_eq!(Some(&&*find(&plan, &tree, uri)), expected, "{uri}");
    }
}

#[test]
fn a_proxied_directory_adds_its_slash() {
    let mut plan = HttpPlan::default();
    let mut tree = tree(
        &mut plan,
        &[Written("", "/", vec![]), Written("", "/app/", vec![]), Written("", "/app2", vec![])],
    );
    let level = &mut tree.levels[0];
    level.adds_slashes = true;
    let app = level.prefixes.iter_mut().find(|prefix| *prefix.name == *b"/app/").expect("it was added");
    app.adds_slash = Some(LocationId(2));
    let rows = [
        ("/app", "/app/ adds a slash"),
        ("/app/", "/app/"),
        ("/app/x", "/app/"),
        ("/app2", "/app2"),
        ("/ap", "/"),
    ];
    for (uri, expected) in rows {
        assert_eq!(find(&plan, &tree, uri), expected, "{uri}");
    }
}
