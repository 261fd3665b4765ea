use proptest::prelude::*;

use super::*;

fn filter(text: &str) -> RecipientFilter {
    RecipientFilter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn trap_16_an_empty_or_unknown_filter_is_refused_and_sets_of_groups_are_compared() {
    assert!(RecipientFilter::parse(" \t").is_err());
    assert!(RecipientFilter::members_of(Vec::<String>::new()).is_err());
    assert!(RecipientFilter::members_of([""]).is_err());
    assert!(RecipientFilter::members_of(["queues@contoso.example"]).is_err());
    let wanted = RecipientFilter::members_of(["CN=B,DC=x", "CN=A'1,DC=x"]).unwrap();
    assert!(
        wanted.same_as(&filter("((memberofgroup -EQ 'cn=a''1,dc=X') -or (MemberOfGroup -eq 'CN=b,DC=x'))"))
    );
    assert!(!wanted.same_as(&filter("MemberOfGroup -eq 'CN=B,DC=x'")));
    assert!(!wanted.same_as(&filter("Department -eq 'x'")));
    assert!(
        !filter("MemberOfGroup -eq 'CN=B,DC=x' -and Name -eq 'y'")
            .same_as(&filter("MemberOfGroup -eq 'CN=B,DC=x'"))
    );
    assert_eq!(filter("MemberOfGroup -ne 'CN=B,DC=x'").groups(), None);
    assert_eq!(filter("-not (MemberOfGroup -eq 'CN=B,DC=x')").groups(), None);
    assert!(filter("(Department -eq 'Sales')").same_as(&filter("department  -eq 'sales'")));
}

#[test]
fn broken_filters_are_refused() {
    for broken in [
        "A -eq '1') -or (B -eq '2'",
        "(A -eq '1'",
        "A -eq 'x",
        "A -eq",
        "A",
        "A 'x'",
        "-and A -eq 'x'",
        "A -eq 'x' -and",
        "A -eq 'x' B -eq 'y'",
        "A -match 'x'",
        "A -eq $user",
        "A -eq (B -eq 'x')",
        "'A' -eq 'x'",
        "A -eq 'x'; Remove-Mailbox b",
    ] {
        assert_eq!(
            RecipientFilter::parse(broken).unwrap_err().kind(),
            crate::ErrorKind::InvalidInput,
            "{broken}"
        );
    }
    assert!(RecipientFilter::parse(&"(".repeat(100_000)).is_err());
    assert!(RecipientFilter::parse(&"-not ".repeat(100_000)).is_err());
    assert!(RecipientFilter::parse(&"A -eq 'x' -or ".repeat(100_000)).is_err());
}

#[test]
fn every_kind_of_value_and_operator_is_read() {
    for (text, rendered) in [
        ("A -gt 5", "A -gt 5"),
        ("A -le -5", "A -le -5"),
        ("HiddenFromAddressListsEnabled -eq $TRUE", "HiddenFromAddressListsEnabled -eq $true"),
        ("Manager -ne $null", "Manager -ne $null"),
        ("RecipientType -eq UserMailbox", "RecipientType -eq 'UserMailbox'"),
        ("Name -like \"O'Neill \"\"x\"\"*\"", "Name -like 'O''Neill \"x\"*'"),
        ("!(A -eq 'b')", "-not (A -eq 'b')"),
        (
            "((RecipientType -eq 'UserMailbox') -and (-not(Name -like 'SystemMailbox{*')))",
            "(RecipientType -eq 'UserMailbox') -and (-not (Name -like 'SystemMailbox{*'))",
        ),
    ] {
        assert_eq!(filter(text).expression().to_string(), rendered);
        assert_eq!(filter(text).as_str(), text);
    }
}

#[test]
fn what_hangs_on_precedence_is_not_known() {
    let mixed = filter("A -eq '1' -or B -eq '1' -and C -eq '1'");
    assert!(mixed.is_ambiguous());
    assert_eq!(mixed.expression(), filter("((A -eq '1') -or (B -eq '1')) -and (C -eq '1')").expression());
    let only = |names: &'static str| {
        move |name: &str| if names.contains(name) { Attribute::from("1") } else { Attribute::Values(vec![]) }
    };
    assert_eq!(mixed.holds(only("AC")), Some(true));
    assert_eq!(mixed.holds(only("A")), None);
    assert_eq!(mixed.holds(only("B")), Some(false));
    assert!(mixed.clone().negated().is_err());
    assert!(mixed.same_as(&filter("a -eq '1' -or b -eq '1' -and c -eq '1'")));
    assert!(!mixed.same_as(&filter("((A -eq '1') -or (B -eq '1')) -and (C -eq '1')")));
    assert!(!filter("A -eq '1' -and B -eq '1' -or C -eq '1'").is_ambiguous(), "both readings are one");
}

#[test]
fn the_same_is_told_whatever_the_spelling() {
    for (a, b) in [
        ("A -eq 'x' -and B -eq 'y' -and C -eq 'z'", "(C -eq 'Z') -and ((b -EQ 'Y') -and (a -eq 'X'))"),
        ("A -eq 'x' -or A -eq 'x'", "A -eq 'x'"),
        ("-not (A -eq 'x')", "A -ne 'x'"),
        ("-not -not (A -gt 5)", "A -gt '5'"),
        ("A -notlike 'x'", "A -ne 'x'"),
    ] {
        assert!(filter(a).same_as(&filter(b)), "{a} / {b}");
    }
    for (a, b) in [
        ("A -eq 'x' -and B -eq 'y'", "A -eq 'x' -or B -eq 'y'"),
        ("-not (A -gt 5)", "A -le 5"),
        ("A -eq '$true'", "A -eq $true"),
        ("A -eq 'x*'", "A -like 'x*'"),
        ("-not (A -eq 'x' -and B -eq 'y')", "-not (A -eq 'x') -and B -eq 'y'"),
    ] {
        assert!(!filter(a).same_as(&filter(b)), "{a} / {b}");
    }
}

#[test]
fn a_recipient_is_held_left_out_or_not_known() {
    let attributes = |name: &str| match name {
        "Department" => Attribute::from("Sales"),
        "City" => Attribute::Values(vec![]),
        "Count" => Attribute::from("12"),
        "Hidden" => Attribute::from(true),
        "EmailAddresses" => {
            Attribute::Values(vec!["SMTP:a@contoso.example".into(), "smtp:b@contoso.example".into()])
        }
        "MemberOfGroup" => Attribute::Partly { has: vec!["CN=A".into()], lacks: vec!["CN=B".into()] },
        _ => Attribute::Unread,
    };
    for (text, verdict) in [
        ("department -eq 'SALES'", None),
        ("Department -eq 'SALES'", Some(true)),
        ("Department -ne 'SALES'", Some(false)),
        ("Department -like 'sa*'", Some(true)),
        ("Department -notlike '*les'", Some(false)),
        ("Department -like 'a*'", Some(false)),
        ("Department -like 's*a*s'", Some(true)),
        ("Department -like 'sales*sales'", Some(false)),
        ("City -eq 'Oslo'", Some(false)),
        ("City -ne 'Oslo'", Some(true)),
        ("City -eq $null", Some(true)),
        ("City -like '*'", Some(false)),
        ("Department -ne $null", Some(true)),
        ("Department -eq ''", None),
        ("Hidden -eq $true", Some(true)),
        ("Hidden -eq $false", Some(false)),
        ("City -eq $false", None),
        ("Count -gt 9", Some(true)),
        ("Count -ge 12", Some(true)),
        ("Count -lt '12'", Some(false)),
        ("Count -le 11", Some(false)),
        ("Department -gt 'A'", None),
        ("City -lt 5", Some(false)),
        ("EmailAddresses -eq 'smtp:B@contoso.example'", Some(true)),
        ("EmailAddresses -ne 'smtp:b@contoso.example'", Some(false)),
        ("MemberOfGroup -eq 'cn=a'", Some(true)),
        ("MemberOfGroup -eq 'CN=B'", Some(false)),
        ("MemberOfGroup -eq 'CN=C'", None),
        ("MemberOfGroup -ne 'CN=C'", None),
        ("MemberOfGroup -eq 'CN=C' -or MemberOfGroup -eq 'CN=A'", Some(true)),
        ("MemberOfGroup -eq 'CN=C' -and MemberOfGroup -eq 'CN=B'", Some(false)),
        ("Unread -eq 'x' -or Department -eq 'Sales'", Some(true)),
        ("Unread -eq 'x' -and Department -eq 'Sales'", None),
        ("-not (Unread -eq 'x')", None),
    ] {
        // The first row: names come as the filter writes them, and the caller decides on case.
        assert_eq!(filter(text).holds(attributes), verdict, "{text}");
    }
}

#[test]
fn what_would_match_too_much_is_not_built() {
    assert!(RecipientFilter::department(" ").is_err());
    assert!(RecipientFilter::all_of([]).is_err() && RecipientFilter::any_of([]).is_err());
    assert!(RecipientFilter::from_expression(FilterExpression::All(vec![])).is_err());
    assert!(FilterProperty::custom_attribute(16).is_err() && FilterProperty::custom_attribute(0).is_err());
    for bad in ["", "1a", "A -eq 'x' -or B", "a b", "ä"] {
        assert!(FilterProperty::parse(bad).is_err(), "{bad}");
    }
    let like_null = FilterExpression::compare(
        FilterProperty::parse("A").unwrap(),
        FilterOperator::Like,
        FilterValue::Null,
    );
    assert!(RecipientFilter::from_expression(like_null).is_err());
    let deep = (0..100).try_fold(filter("A -eq 'x'"), |f, _| f.negated());
    assert!(deep.is_err());
}

fn value() -> impl Strategy<Value = FilterValue> {
    prop_oneof![
        4 => "[a-b'\"() $*-]{0,5}[a-b]".prop_map(FilterValue::Text),
        1 => any::<i64>().prop_map(FilterValue::Integer),
    ]
}

fn comparison() -> impl Strategy<Value = FilterExpression> {
    let operator = prop::sample::select(vec!["eq", "ne", "like", "notlike", "gt", "ge", "lt", "le"]);
    let property = prop::sample::select(vec!["A", "b", "Department", "MemberOfGroup"]);
    let truth = prop_oneof![any::<bool>().prop_map(FilterValue::Bool), Just(FilterValue::Null)];
    prop_oneof![
        4 => (property.clone(), operator, value()).prop_map(|(p, o, v)| {
            FilterExpression::compare(FilterProperty::parse(p).unwrap(), FilterOperator::read(o).unwrap(), v)
        }),
        1 => (property, truth).prop_map(|(p, v)| {
            FilterExpression::compare(FilterProperty::parse(p).unwrap(), FilterOperator::NotEqual, v)
        }),
    ]
}

fn expression() -> impl Strategy<Value = FilterExpression> {
    comparison().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(FilterExpression::All),
            prop::collection::vec(inner.clone(), 2..4).prop_map(FilterExpression::Any),
            inner.prop_map(|e| FilterExpression::Not(Box::new(e))),
        ]
    })
}

/// Another spelling: other case, more blanks and parentheses, operands turned round.
fn respelled(e: &FilterExpression) -> String {
    match e {
        FilterExpression::All(parts) | FilterExpression::Any(parts) => {
            let joint = if matches!(e, FilterExpression::All(_)) { ")  -AND (" } else { ")-Or (" };
            let parts: Vec<String> = parts.iter().rev().map(respelled).collect();
            format!("(({}))", parts.join(joint))
        }
        FilterExpression::Not(inner) => format!("( !({}))", respelled(inner)),
        comparison => comparison.to_string().to_uppercase(),
    }
}

fn attributes(seed: &[u8; 4]) -> impl Fn(&str) -> Attribute {
    move |name| {
        let at = match name.to_ascii_lowercase().as_str() {
            "a" => 0,
            "b" => 1,
            "department" => 2,
            _ => 3,
        };
        match seed[at] % 5 {
            0 => Attribute::Unread,
            1 => Attribute::Values(vec![]),
            2 => Attribute::from("ab"),
            3 => Attribute::Values(vec!["5".into()]),
            _ => Attribute::Partly { has: vec!["a".into()], lacks: vec!["b".into()] },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_value_never_ends_its_opath_literal(name in "[a-z'\"()\u{2018}\u{2019} -]{1,40}") {
        let dn = format!("CN={name},DC=x");
        let filter = RecipientFilter::members_of([&dn]).unwrap();
        prop_assert_eq!(filter.groups(), Some(BTreeSet::from([dn.trim().to_lowercase()])));
    }

    #[test]
    fn what_is_built_is_read_back(e in expression()) {
        let built = RecipientFilter::from_expression(e.clone()).unwrap();
        let read = RecipientFilter::parse(built.as_str()).unwrap();
        prop_assert_eq!(&read, &built);
        prop_assert_eq!(read.expression(), &e);
        prop_assert!(!read.is_ambiguous());
    }

    #[test]
    fn another_spelling_is_the_same(e in expression(), seed in any::<[u8; 4]>()) {
        let built = RecipientFilter::from_expression(e.clone()).unwrap();
        let other = filter(&respelled(&e));
        prop_assert!(built.same_as(&other), "{} / {}", built, other);
        let known = attributes(&seed);
        prop_assert_eq!(built.holds(&known), other.holds(&known));
    }

    #[test]
    fn the_same_filters_hold_the_same(a in expression(), b in expression(), seed in any::<[u8; 4]>()) {
        let canon = RecipientFilter { expression: canonical(&a), ..RecipientFilter::from_expression(a.clone()).unwrap() };
        let a = RecipientFilter::from_expression(a).unwrap();
        let known = attributes(&seed);
        prop_assert_eq!(a.holds(&known), canon.holds(&known));
        let b = RecipientFilter::from_expression(b).unwrap();
        if a.same_as(&b) {
            prop_assert_eq!(a.holds(&known), b.holds(&known));
        }
    }

    #[test]
    fn more_knowledge_never_turns_a_verdict(e in expression(), seed in any::<[u8; 4]>()) {
        let f = RecipientFilter::from_expression(e).unwrap();
        let known = attributes(&seed);
        let less = |name: &str| if name == "A" { Attribute::Unread } else { known(name) };
        if let Some(verdict) = f.holds(less) {
            prop_assert_eq!(f.holds(&known), Some(verdict));
        }
    }

    #[test]
    fn any_text_is_refused_or_read_for_good(text in "[AB '\"()!$*5-]{0,30}|(A -eq 'x'|-and|-or|-not|\\(|\\)| ){0,12}") {
        if let Ok(f) = RecipientFilter::parse(&text) {
            let again = filter(&f.expression().to_string());
            prop_assert_eq!(again.expression(), f.expression());
        }
    }
}
