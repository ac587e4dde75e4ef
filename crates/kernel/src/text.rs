//! Which texts may be displayed.

/// Whether a text is displayed as it was written: it contains no control characters except line
/// breaks and tabs, no characters that reorder the text around them, and no invisible ones.
/// Joiners, variation selectors and right-to-left letters are allowed, because ordinary text uses
/// them.
pub fn is_displayable(text: &str) -> bool {
    let mut before = None;
    text.chars().all(|c| {
        let is_good = match c {
            '\n' | '\r' | '\t' => true,
            // the flags of England, Scotland and Wales are written with tags
            '\u{e0020}'..='\u{e007f}' => before.is_some_and(takes_tags),
            _ => !c.is_control() && !is_invisible(c),
        };
        before = Some(c);
        is_good
    })
}

/// Whether a text is displayable, has one line, and contains a visible character: a name.
pub fn is_displayable_line(text: &str) -> bool {
    is_displayable(text) && !text.chars().any(char::is_control) && text.chars().any(has_ink)
}

fn takes_tags(c: char) -> bool {
    matches!(c, '\u{1f3f4}' | '\u{e0020}'..='\u{e007e}')
}

/// Whether a character leaves no mark of its own and changes how others are read or compared.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' // soft hyphen
        | '\u{34f}' // combining grapheme joiner
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' // direction
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // Hangul fillers
        | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{feff}' // zero width
        | '\u{2028}' | '\u{2029}' // line and paragraph separators
        | '\u{2800}' // blank Braille pattern
        | '\u{fff9}'..='\u{fffc}' // annotations and object replacement
        | '\u{1d173}'..='\u{1d17a}' // musical format controls
        | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{10ffff}') // tags, private use
        || (c as u32) & 0xfffe == 0xfffe // noncharacters
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
}

/// Whether a character is visible by itself: not a space, joiner, selector or combining mark.
fn has_ink(c: char) -> bool {
    let joins = matches!(c,
        '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180f}'
        | '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}');
    !c.is_whitespace() && !c.is_control() && !is_invisible(c) && !joins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_have_are_displayable() {
        for name in [
            "Ada",
            "Zoë",
            "Zoe\u{308}",
            "O’Brien",
            "אדה לאבלייס",
            "عادا",
            "می\u{200c}خواهم", // Persian, with a non-joiner
            "क्\u{200d}ष",
            "👩\u{200d}💻 Ada",
            "❤\u{fe0f}",
            "葛\u{e0100}城",
            "Scarf 🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "#1",
            "가나다",
        ] {
            assert!(is_displayable_line(name), "{name:?}");
        }
    }

    #[test]
    fn names_that_show_something_else_are_refused() {
        for name in [
            "",
            " ",
            "\u{200b}",
            "\u{200d}",
            "\u{200c}\u{fe0f}",
            "\u{301}",
            "\u{3164}",
            "\u{2800}",
            "\u{a0}\u{3000}",
            "Ada\u{202e}gro.live",
            "\u{2067}Ada\u{2069}",
            "Ada\u{200f}",
            "A\u{200b}da",
            "A\u{ad}da",
            "\u{feff}Ada",
            "Ada\u{2028}Eve",
            "Ada\nEve",
            "Ada\u{0}",
            "Ada\u{85}",
            "Ada\u{1b}[31m",
            "\u{e000}",
            "Ada\u{10ffff}",
            "Ada\u{fffe}",
            "Ada\u{fdd0}",
            "A\u{e0061}da",
        ] {
            assert!(!is_displayable_line(name), "{name:?}");
        }
    }

    #[test]
    fn a_displayable_text_may_have_lines() {
        assert!(is_displayable("One\r\n\tTwo"));
        assert!(is_displayable(""));
        assert!(!is_displayable("One\u{202e}Two"));
        assert!(!is_displayable("One\u{7}"));
    }
}
