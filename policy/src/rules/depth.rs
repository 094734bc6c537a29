//! Cedar's parser calls itself for whatever is nested, and what it makes is dropped in the same way: a text
//! of nothing but brackets would use up the stack, which ends the process.

use super::bundle::SCHEMA;
use super::{Invalid, line_of};

/// The most brackets and conditions that may stand in one another: the parser takes up to 46 KB of a stack of
/// 2 MiB for each.
const MAX_DEPTH: usize = 20;
/// The most operators of a statement, of which each may stand in the result of the next.
const MAX_OPERATORS: usize = 1_000;

/// Refuses a text with a statement in which more nests than a stack takes. What stands in strings and comments
/// does not count.
pub(super) fn check(file: &'static str, text: &str) -> Result<(), Invalid> {
    let is_schema = file == SCHEMA;
    let (mut depth, mut operators) = (0_usize, 0_usize);
    let mut word = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character.is_alphanumeric() || character == '_' {
            word.push(character);
            continue;
        }
        depth += usize::from(word == "if");
        word.clear();
        match character {
            '"' => skip_string(&mut characters),
            '/' if characters.peek().is_some_and(|(_, next)| *next == '/') => {
                while characters.next().is_some_and(|(_, inside)| inside != '\n') {}
            }
            ';' => (depth, operators) = (0, 0),
            '(' | '[' | '{' => depth += 1,
            '<' if is_schema => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '>' if is_schema => depth = depth.saturating_sub(1),
            '.' | '!' | '-' | '+' | '*' | '&' | '|' | '=' | '<' | '>' => operators += 1,
            _ => {}
        }
        if depth > MAX_DEPTH || operators > MAX_OPERATORS {
            let reason = format!(
                "a statement nests more than {MAX_DEPTH} brackets and conditions, or has more than {MAX_OPERATORS} operators; make several of it"
            );
            return Err(Invalid::new(file, Some(line_of(text, at)), reason));
        }
    }
    Ok(())
}

/// Goes on behind the end of a string.
fn skip_string(characters: &mut impl Iterator<Item = (usize, char)>) {
    while let Some((_, inside)) = characters.next() {
        match inside {
            '\\' => drop(characters.next()),
            '"' => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Rules;
    use crate::rules::default_bundle;

    /// Each would end the process if it came as far as the parser, and each is refused at once.
    #[test]
    fn what_nests_without_end_is_refused() {
        let good = default_bundle();
        let condition = |text: String| {
            let policy = format!(
                "@id(\"x\") @reason(\"x\") permit (principal, action, resource) when {{ {text} }};\n"
            );
            good.replace("=== settings.toml", &format!("{policy}=== settings.toml"))
        };
        let many = 50_000;
        for deep in [
            condition("(".repeat(many)),
            condition(format!("{}true", "!".repeat(many))),
            condition(format!("context{}", ".a".repeat(many))),
            condition(format!("true{}", " && true".repeat(many))),
            condition("if true then true else ".repeat(many)),
            good.replace(
                "=== policies.cedar",
                &format!("type T = {}\n=== policies.cedar", "Set<".repeat(many)),
            ),
        ] {
            let refused = Rules::parse(&deep).expect_err("too deep").to_string();
            assert!(refused.contains("make several of it"), "{refused}");
        }
        let nested = format!("{}true{}", "(".repeat(18), ")".repeat(18));
        Rules::parse(&condition(nested)).expect("what people write and more");
        let fine =
            condition("context.mode == \"((((\" // ((((\n".to_owned() + &"|| true ".repeat(20));
        let refused = Rules::parse(&fine).err().map(|error| error.to_string());
        assert!(!refused.is_some_and(|why| why.contains("make several of it")));
    }
}
