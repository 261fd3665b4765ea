use std::iter::Peekable;
use std::vec::IntoIter;

use m365_core::{Error, Result};

use super::expression::{FilterExpression, FilterOperator, FilterProperty, FilterValue, MAX_DEPTH};

/// Filters with more tokens are refused; Exchange publishes no limit, and a filter of ten thousand groups has fewer.
const MAX_TOKENS: usize = 100_000;

/// How `-and` and `-or` without parentheses between them are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precedence {
    /// Alike, from left to right: what the page on filters refers to.
    /// <https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_logical_operators>
    LeftToRight,
    /// `-and` first, as most languages have it.
    AndFirst,
}

/// Reads a filter's text. The flag is true when the text mixes `-and` and `-or` without parentheses.
pub(super) fn parse(text: &str, precedence: Precedence) -> Result<(FilterExpression, bool)> {
    let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable(), precedence, mixed: false };
    let expression = parser.chain(0)?;
    match parser.tokens.next() {
        None => Ok((expression, parser.mixed)),
        Some(_) => Err(Error::invalid("the recipient filter goes on after its end")),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    /// An operator, without its dash.
    Dash(String),
    Word(String),
    Literal(String),
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if out.len() > MAX_TOKENS {
            return Err(Error::invalid("the recipient filter is too long"));
        }
        match c {
            c if c.is_whitespace() => {}
            '(' => out.push(Token::Open),
            ')' => out.push(Token::Close),
            '!' => out.push(Token::Dash("not".to_owned())),
            quote @ ('\'' | '"') => {
                let mut literal = String::new();
                loop {
                    match chars.next() {
                        None => return Err(Error::invalid("a literal of the recipient filter has no end")),
                        Some(c) if c != quote => literal.push(c),
                        Some(_) if chars.next_if_eq(&quote).is_some() => literal.push(quote),
                        Some(_) => break,
                    }
                }
                out.push(Token::Literal(literal));
            }
            c => {
                let dash = c == '-' && chars.peek().is_some_and(char::is_ascii_alphabetic);
                let mut word = if dash { String::new() } else { c.to_string() };
                // A dash inside of a value without quotes belongs to the value; none is part of an operator's name.
                while let Some(c) = chars.next_if(|c| {
                    let ends = c.is_whitespace() || matches!(c, '(' | ')' | '\'' | '"');
                    !(ends || (dash && *c == '-'))
                }) {
                    word.push(c);
                }
                out.push(if dash { Token::Dash(word.to_ascii_lowercase()) } else { Token::Word(word) });
            }
        }
    }
    Ok(out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Joint {
    And,
    Or,
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
    precedence: Precedence,
    mixed: bool,
}

impl Parser {
    /// Parts joined by `-and` and `-or`, up to a closing parenthesis or the end.
    fn chain(&mut self, depth: usize) -> Result<FilterExpression> {
        let first = self.part(depth)?;
        let mut rest = Vec::new();
        while let Some(joint) = self.joint() {
            rest.push((joint, self.part(depth)?));
        }
        let both = rest.iter().any(|(j, _)| *j == Joint::And) && rest.iter().any(|(j, _)| *j == Joint::Or);
        self.mixed |= both;
        Ok(match self.precedence {
            Precedence::LeftToRight => left_to_right(first, rest),
            Precedence::AndFirst => and_first(first, rest),
        })
    }

    fn joint(&mut self) -> Option<Joint> {
        let joint = match self.tokens.peek()? {
            Token::Dash(word) if word == "and" => Joint::And,
            Token::Dash(word) if word == "or" => Joint::Or,
            _ => return None,
        };
        self.tokens.next();
        Some(joint)
    }

    fn part(&mut self, depth: usize) -> Result<FilterExpression> {
        if depth > MAX_DEPTH {
            return Err(Error::invalid("the recipient filter is nested too deeply"));
        }
        match self.tokens.next() {
            Some(Token::Open) => {
                let inner = self.chain(depth + 1)?;
                match self.tokens.next() {
                    Some(Token::Close) => Ok(inner),
                    _ => Err(Error::invalid("a parenthesis of the recipient filter is not closed")),
                }
            }
            Some(Token::Dash(word)) if word == "not" => {
                Ok(FilterExpression::Not(Box::new(self.part(depth + 1)?)))
            }
            Some(Token::Word(property)) => self.comparison(&property),
            Some(_) => Err(Error::invalid("the recipient filter has a part that is no comparison")),
            None => Err(Error::invalid("the recipient filter ends too early")),
        }
    }

    fn comparison(&mut self, property: &str) -> Result<FilterExpression> {
        let property = FilterProperty::parse(property)?;
        let operator = match self.tokens.next() {
            Some(Token::Dash(word)) => FilterOperator::read(&word),
            _ => None,
        }
        .ok_or_else(|| {
            Error::invalid(format!(
                "{} is not followed by an operator of recipient filters",
                property.as_str()
            ))
        })?;
        let value = match self.tokens.next() {
            Some(Token::Literal(text)) => FilterValue::Text(text),
            Some(Token::Word(word)) => bare(&word)?,
            _ => {
                return Err(Error::invalid(format!("{} is compared with nothing", property.as_str())));
            }
        };
        Ok(FilterExpression::Compare(property, operator, value))
    }
}

/// A value without quotes: a number, a system value, or one word.
fn bare(word: &str) -> Result<FilterValue> {
    if let Some(name) = word.strip_prefix('$') {
        return match name.to_ascii_lowercase().as_str() {
            "true" => Ok(FilterValue::Bool(true)),
            "false" => Ok(FilterValue::Bool(false)),
            "null" => Ok(FilterValue::Null),
            _ => Err(Error::invalid("the recipient filter holds a variable")),
        };
    }
    Ok(word.parse().map_or_else(|_| FilterValue::Text(word.to_owned()), FilterValue::Integer))
}

fn left_to_right(first: FilterExpression, rest: Vec<(Joint, FilterExpression)>) -> FilterExpression {
    // What the run of equal joints has gathered; a change of the joint makes a part of it.
    let (mut parts, mut run) = (vec![first], None);
    for (joint, part) in rest {
        if run.is_some_and(|run| run != joint) {
            parts = vec![joined(run, parts)];
        }
        run = Some(joint);
        parts.push(part);
    }
    joined(run, parts)
}

fn and_first(first: FilterExpression, rest: Vec<(Joint, FilterExpression)>) -> FilterExpression {
    let (mut any, mut all) = (Vec::new(), vec![first]);
    for (joint, part) in rest {
        if joint == Joint::Or {
            any.push(joined(Some(Joint::And), std::mem::take(&mut all)));
        }
        all.push(part);
    }
    any.push(joined(Some(Joint::And), all));
    joined(Some(Joint::Or), any)
}

fn joined(joint: Option<Joint>, parts: Vec<FilterExpression>) -> FilterExpression {
    match (joint, <[FilterExpression; 1]>::try_from(parts)) {
        (_, Ok([only])) => only,
        (Some(Joint::And), Err(parts)) => FilterExpression::All(parts),
        (_, Err(parts)) => FilterExpression::Any(parts),
    }
}
