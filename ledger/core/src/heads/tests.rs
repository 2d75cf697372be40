use super::*;
use crate::tree::RightEdge;

fn head(stream: &str, seq: u64) -> Head {
    Head {
        stream: stream.parse().unwrap(),
        seq,
        leaf: Hash::leaf(stream.as_bytes()),
    }
}

/// So many TREs, after the streams `federation` and `log`.
fn heads(tres: u64) -> Heads {
    let mut heads = vec![head("log", 7), head("federation", 3)];
    heads.extend((0..tres).rev().map(|n| head(&format!("tre/t{n:03}"), n + 1)));
    Heads::new(heads).unwrap()
}

#[test]
fn the_bytes_are_those_of_the_definition() {
    let leaf = Hash::of(b"");
    let head = Head {
        stream: "tre/wessex".parse().unwrap(),
        seq: 12,
        leaf,
    };
    assert_eq!(
        head.to_string(),
        r#"["tre/wessex",12,"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"]"#
    );
    let two = Heads::new(vec![self::head("log", 1), self::head("federation", 1)]).unwrap();
    let [first, second] = two.as_slice() else {
        panic!("two heads")
    };
    assert_eq!(first.stream, Stream::Federation);
    assert_eq!(two.root(), Hash::node(&first.hash(), &second.hash()));
}

#[test]
fn the_root_is_that_of_the_edge_and_every_head_is_proved() {
    for tres in [0, 1, 2, 3, 6, 13, 300] {
        let heads = heads(tres);
        let (streams, root) = (heads.streams(), heads.root());
        let mut edge = RightEdge::new();
        for head in heads.as_slice() {
            edge.append(head.hash());
        }
        assert_eq!(edge.root(), root, "{tres}");
        for head in heads.as_slice() {
            let proven = heads.prove(&head.stream).unwrap();
            assert_eq!(proven.verify(streams, &root), Ok(()), "{head} of {tres}");
            let mut older = proven.clone();
            older.head.seq += 1;
            assert!(matches!(
                older.verify(streams, &root),
                Err(HeadsError::NotThere { .. })
            ));
            assert_eq!(heads.prove_absence(&head.stream), None);
        }
    }
}

#[test]
fn a_stream_without_entry_is_shown_to_be_absent_and_no_other() {
    let heads = heads(5);
    let (streams, root) = (heads.streams(), heads.root());
    let absent = ["job/16fd2706-8baf-433b-82eb-8c7fada847da", "tre/t001a", "tre/zz"];
    for name in absent {
        let stream: Stream = name.parse().unwrap();
        assert_eq!(heads.prove(&stream), None);
        let absence = heads.prove_absence(&stream).unwrap();
        assert_eq!(absence.verify(&stream, streams, &root), Ok(()), "{name}");
        for other in ["federation", "tre/t001", "tre/t003"].map(|name| name.parse().unwrap()) {
            let outcome = absence.verify(&other, streams, &root);
            assert_eq!(outcome, Err(HeadsError::NotAround(other)), "{name}");
        }
        for (before, after) in [
            (None, absence.after.clone()),
            (absence.before.clone(), None),
            (None, None),
        ] {
            let part = Absence { before, after };
            let is_whole = part == absence;
            assert_eq!(part.verify(&stream, streams, &root).is_ok(), is_whole, "{name}");
        }
    }
    // Neighbours of neighbours leave a place.
    let stream: Stream = "tre/t001a".parse().unwrap();
    let wide = Absence {
        before: heads.prove(&"tre/t000".parse().unwrap()),
        after: heads.prove(&"tre/t002".parse().unwrap()),
    };
    assert_eq!(
        wide.verify(&stream, streams, &root),
        Err(HeadsError::NotAround(stream))
    );
}

#[test]
fn heads_that_make_no_tree_are_refused() {
    let twice = Heads::new(vec![head("log", 1), head("federation", 1), head("log", 2)]);
    assert_eq!(twice, Err(HeadsError::Twice(Stream::Log)));
    let none = Heads::new(vec![head("log", 0)]);
    assert_eq!(none, Err(HeadsError::NoEntry(Stream::Log)));
    assert_eq!(Heads::new(Vec::new()).unwrap().root(), Hash::empty_root());
}
