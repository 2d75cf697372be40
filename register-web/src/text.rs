//! Texts that people typed, on their way to a page.

/// Characters that turn the direction of what follows, or are not seen: a title that holds them could make the words
/// around it read otherwise. They are left out.
fn is_turning(c: char) -> bool {
    matches!(c,
        '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || (c.is_control() && c != '\n')
}

/// The text as it may be shown. The script that checks a page leaves out the same characters before it compares.
pub(crate) fn clean(text: &str) -> String {
    text.chars().filter(|c| !is_turning(*c)).collect()
}

/// Its paragraphs: what empty lines part.
pub(crate) fn paragraphs(text: &str) -> Vec<String> {
    let text = clean(text);
    let parts = text.split("\n\n").map(str::trim).filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// The text cut at a word, for a description of so many characters at most.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let text = clean(text).replace('\n', " ");
    if text.chars().count() <= most {
        return text;
    }
    let head: String = text.chars().take(most.saturating_sub(1)).collect();
    let head = head.rsplit_once(' ').map_or(head.as_str(), |(head, _)| head);
    format!("{}…", head.trim_end_matches([',', '.', ';', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_turns_or_hides_what_stands_around_it() {
        assert_eq!(clean("a\u{202e}b\u{2066}c\u{200b}d\u{e0041}\u{7}e\n"), "abcde\n");
        assert_eq!(
            clean("Cymraeg: ŵ ŷ; ქართული; עברית"),
            "Cymraeg: ŵ ŷ; ქართული; עברית"
        );
    }

    #[test]
    fn paragraphs_are_parted_by_empty_lines() {
        assert_eq!(paragraphs("a\nb\n\n\n c \n\n"), ["a\nb", "c"]);
    }

    #[test]
    fn long_texts_are_cut_at_a_word() {
        assert_eq!(cut("one two, three", 10), "one two…");
        assert_eq!(cut("short", 10), "short");
        assert_eq!(cut(&"a".repeat(20), 5), "aaaa…");
    }
}
