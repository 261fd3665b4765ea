//! A second reading of PowerShell, for the lines of this test only.

use std::collections::BTreeMap;

/// What a line of PowerShell says: the cmdlet, and its parameters in lower case with their values. Arrays and comma lists
/// are the same; the first argument without a name is the identity. A second reading, for these lines only.
pub(crate) fn meaning(line: &str) -> (String, BTreeMap<String, Vec<String>>) {
    let mut words = words(line).into_iter();
    let cmdlet = words.next().unwrap();
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut open = "identity".to_owned();
    for word in words {
        if let Some(name) = word.strip_prefix('-') {
            let (name, value) = name.split_once(':').unwrap_or((name, ""));
            open = name.to_lowercase();
            let values = parameters.entry(open.clone()).or_default();
            if !value.is_empty() {
                values.push(value.to_owned());
            }
        } else {
            let values = parameters.entry(open.clone()).or_default();
            values.extend(word.split(',').map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()));
        }
    }
    parameters.remove("confirm");
    if let Some(size) = parameters.get_mut("resultsize") {
        size.iter_mut().for_each(|s| *s = s.to_lowercase());
    }
    for values in parameters.values_mut() {
        // A switch that is on says the same with and without its value.
        if values.is_empty() {
            values.push("$true".to_owned());
        }
    }
    (cmdlet, parameters)
}

/// Words of a line; quotes are taken off, `@(` and `)` too. Descriptions hold no commas here.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut any) = (vec![], String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            quote @ ('\'' | '"') => {
                any = true;
                while let Some(c) = chars.next() {
                    if c != quote {
                        word.push(c);
                    } else if chars.next_if_eq(&quote).is_some() {
                        word.push(quote);
                    } else {
                        break;
                    }
                }
            }
            ' ' if any => {
                words.push(std::mem::take(&mut word));
                any = false;
            }
            ' ' | ')' => {}
            '@' if chars.peek() == Some(&'(') => _ = chars.next(),
            c => {
                any = true;
                word.push(c);
            }
        }
    }
    if any {
        words.push(word);
    }
    words
}
