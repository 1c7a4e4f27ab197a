//! Patterns with wildcards: of EC2's filters, of IAM's policies, of faults. They come from clients, so each `*` must not
//! double the work: matching takes no longer than pattern times text.

/// Whether `text` is what `pattern` says. `specials` are those of `*` (any text), `?` (any character) and the backslash
/// (makes the next character ordinary) that mean more than themselves.
pub(crate) fn matches(pattern: &str, specials: &str, text: &str) -> bool {
    let elements = elements(pattern, specials);
    let text: Vec<char> = text.chars().collect();
    let (mut element, mut at) = (0, 0);
    // What is behind the last `*`, and where the text that it stands for ends so far. An earlier one need never stand for
    // more than it does.
    let mut retry = None;
    loop {
        match (elements.get(element), text.get(at)) {
            (Some(Element::AnyText), _) => {
                element += 1;
                retry = Some((element, at));
            }
            (Some(Element::AnyCharacter), Some(_)) => (element, at) = (element + 1, at + 1),
            (Some(Element::Character(wanted)), Some(found)) if wanted == found => (element, at) = (element + 1, at + 1),
            (None, None) => return true,
            _ => match retry {
                Some((behind, end)) if end < text.len() => {
                    retry = Some((behind, end + 1));
                    (element, at) = (behind, end + 1);
                }
                _ => return false,
            },
        }
    }
}

/// Whether `text` is what a pattern of IAM's says: `*` is any text, `?` any character.
pub(crate) fn matches_policy(pattern: &str, text: &str) -> bool {
    matches(pattern, "*?", text)
}

#[derive(Clone, Copy, Debug)]
enum Element {
    AnyText,
    AnyCharacter,
    Character(char),
}

fn elements(pattern: &str, specials: &str) -> Vec<Element> {
    let mut characters = pattern.chars();
    let mut elements = Vec::new();
    while let Some(character) = characters.next() {
        elements.push(match character {
            '*' if specials.contains('*') => Element::AnyText,
            '?' if specials.contains('?') => Element::AnyCharacter,
            '\\' if specials.contains('\\') => Element::Character(characters.next().unwrap_or('\\')),
            other => Element::Character(other),
        });
    }
    elements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_what_they_are_said_to() {
        for (pattern, specials, text) in [
            ("", "*", ""),
            ("*", "*", ""),
            ("*", "*", "any"),
            ("a*c*e", "*", "abcbcde"),
            ("*a?c", "*?", "xabcadc"),
            ("?", "?", "é"),
            ("ec2:*Tags*", "*", "ec2:CreateTags"),
            ("ecs:P?ll", "*?", "ecs:Poll"),
            ("arn:*:iam::*:role/az-*", "*?", "arn:aws:iam::000000000000:role/az-x"),
            (r"a\*", r"*\", "a*"),
            (r"a\", r"*\", r"a\"),
            ("a?", "*", "a?"),
            (r"a\*", "*", r"a\b"),
        ] {
            assert!(matches(pattern, specials, text), "{pattern} {text}");
        }
        for (pattern, specials, text) in [
            ("", "*", "a"),
            ("a*", "*", "ba"),
            ("*a", "*", "ab"),
            ("a*a", "*", "a"),
            ("?", "?", ""),
            ("ecs:poll", "*?", "ecs:Poll"),
            ("ecs:Poll?", "*?", "ecs:Poll"),
            ("arn:*:iam::*:role/az-*", "*?", "arn:aws:iam::000000000000:role/other"),
            (r"a\*", r"*\", "ab"),
            ("a?", "*", "ab"),
        ] {
            assert!(!matches(pattern, specials, text), "{pattern} {text}");
        }
    }

    /// If each `*` tried every end anew, nobody would live to see the answer.
    #[test]
    fn many_wildcards_take_no_time() {
        let pattern = "a*".repeat(200) + "b";
        assert!(!matches(&pattern, "*", &"a".repeat(400)));
    }
}
