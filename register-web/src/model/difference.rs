//! What is different between two texts, word by word.

/// Words of one text at most: beyond it the texts stand one after the other.
const MOST: usize = 1_200;

/// A piece of two texts laid beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    /// `same`, `old` or `new`.
    pub(crate) kind: &'static str,
}

/// The old text turned into the new one.
pub(crate) fn between(old: &str, new: &str) -> Vec<Piece> {
    let (a, b) = (words(old), words(new));
    if a.len() > MOST || b.len() > MOST {
        return [(old, "old"), (new, "new")]
            .into_iter()
            .filter(|(text, _)| !text.is_empty())
            .map(|(text, kind)| Piece {
                text: text.to_owned(),
                kind,
            })
            .collect();
    }
    let common = common(&a, &b);
    let (mut at, mut to) = (0, 0);
    let mut pieces: Vec<Piece> = Vec::new();
    let mut push = |text: &str, kind: &'static str| match pieces.last_mut() {
        Some(last) if last.kind == kind => last.text.push_str(text),
        _ => pieces.push(Piece {
            text: text.to_owned(),
            kind,
        }),
    };
    for (nth_old, nth_new) in common.into_iter().chain([(a.len(), b.len())]) {
        a[at..nth_old].iter().for_each(|word| push(word, "old"));
        b[to..nth_new].iter().for_each(|word| push(word, "new"));
        if let Some(word) = a.get(nth_old) {
            push(word, "same");
        }
        (at, to) = (nth_old + 1, nth_new + 1);
    }
    pieces
}

/// Words, each with the space that follows it.
fn words(text: &str) -> Vec<&str> {
    text.split_inclusive(char::is_whitespace).collect()
}

/// Places of a longest common subsequence.
fn common(a: &[&str], b: &[&str]) -> Vec<(usize, usize)> {
    let width = b.len() + 1;
    let mut longest = vec![0_u16; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i] == b[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut places) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            places.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, new: &str) -> String {
        let mark = |piece: Piece| match piece.kind {
            "old" => format!("[-{}-]", piece.text),
            "new" => format!("[+{}+]", piece.text),
            _ => piece.text,
        };
        between(old, new).into_iter().map(mark).collect()
    }

    #[test]
    fn words_that_went_and_came_are_told_apart() {
        assert_eq!(
            told("we count visits", "we count all visits"),
            "we count [+all +]visits"
        );
        assert_eq!(told("a b c", "a x c"), "a [-b -][+x +]c");
        assert_eq!(told("", "new"), "[+new+]");
        assert_eq!(told("same", "same"), "same");
    }

    #[test]
    fn both_sides_can_be_read_from_the_pieces_whatever_the_texts() {
        let long = "word ".repeat(MOST + 1);
        for (old, new) in [
            ("one two three", "two three four"),
            ("", ""),
            (long.as_str(), "x"),
        ] {
            let side = |kind: &str| -> String {
                let pieces = between(old, new).into_iter();
                pieces
                    .filter(|piece| piece.kind == "same" || piece.kind == kind)
                    .map(|piece| piece.text)
                    .collect()
            };
            assert_eq!((side("old").as_str(), side("new").as_str()), (old, new));
        }
    }
}
