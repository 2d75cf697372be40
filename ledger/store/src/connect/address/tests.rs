use super::*;

fn parse(text: &str) -> Result<Address, AddressError> {
    text.parse()
}

#[test]
fn way_to_this_machine_is_plain_and_to_another_is_verified() {
    for here in [
        "postgresql://daybook@127.0.0.1/daybook",
        "postgresql://daybook@localhost/daybook",
        "postgresql://daybook@[::1]/daybook",
        "host=/run/postgresql dbname=daybook",
        "host=db.example hostaddr=127.0.0.1",
    ] {
        assert_eq!(parse(here).unwrap().verification(), None, "{here}");
    }
    for there in [
        "postgresql://daybook@db.example/daybook",
        "host=localhost,db.example",
        "host=localhost hostaddr=192.0.2.1",
        "host=192.0.2.1",
    ] {
        assert_eq!(
            parse(there).unwrap().verification(),
            Some(Verify::Name),
            "{there}"
        );
    }
}

#[test]
fn sslmode_is_honoured_as_libpq_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.crt");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new())
        .unwrap()
        .self_signed(&key)
        .unwrap();
    std::fs::write(&root, certificate.pem()).unwrap();
    let root = root.display();
    for (words, expected) in [
        ("sslmode=disable".to_owned(), None),
        ("sslmode=require".to_owned(), Some(Verify::Nothing)),
        (
            format!("sslmode=require sslrootcert='{root}'"),
            Some(Verify::Issuer),
        ),
        (
            format!("sslmode=verify-ca sslrootcert='{root}'"),
            Some(Verify::Issuer),
        ),
        (
            format!("sslmode=verify-full sslrootcert='{root}'"),
            Some(Verify::Name),
        ),
        (format!("sslrootcert='{root}'"), Some(Verify::Name)),
        (
            "sslmode=verify-full sslrootcert=system".to_owned(),
            Some(Verify::Name),
        ),
    ] {
        let address = parse(&format!("host=db.example {words}")).unwrap();
        assert_eq!(address.verification(), expected, "{words}");
        let mode = address.config().get_ssl_mode();
        assert_eq!(
            mode,
            if expected.is_some() {
                SslMode::Require
            } else {
                SslMode::Disable
            }
        );
    }
}

#[test]
fn what_protects_nobody_or_cannot_work_is_refused() {
    for weak in ["prefer", "allow", "yes"] {
        let error = parse(&format!("postgresql://db.example/d?sslmode={weak}")).unwrap_err();
        assert!(
            matches!(&error, AddressError::Mode(mode) if mode == weak),
            "{error}"
        );
    }
    assert!(matches!(
        parse("hostaddr=192.0.2.1"),
        Err(AddressError::NoName(_))
    ));
    assert!(matches!(
        parse("host=a target_session_attrs=read-only"),
        Err(AddressError::ReadOnly)
    ));
    assert!(matches!(parse("host=a nonsense=1"), Err(AddressError::Text(_))));
}

#[test]
fn file_that_cannot_be_used_is_named_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let (empty, away) = (empty.display(), folder.path().join("away.pem"));
    for (words, param, reason) in [
        (format!("sslrootcert='{empty}'"), "sslrootcert", "no certificate"),
        (
            format!("sslrootcert='{}'", away.display()),
            "sslrootcert",
            "No such file",
        ),
        (format!("sslcert='{empty}'"), "sslcert", "sslkey"),
        (format!("sslkey='{empty}'"), "sslkey", "sslcert"),
    ] {
        let error = parse(&format!("host=db.example {words}"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(param) && error.contains(reason), "{error}");
    }
}

#[test]
fn each_host_keeps_its_port_and_what_is_common_to_all() {
    let words = "host=a.example,/run/pg port=1,2 user=me password=secret dbname=d sslmode=require";
    let each = parse(words).unwrap().each();
    assert_eq!(each.len(), 2);
    assert_eq!(each[0].get_hosts(), [Host::Tcp("a.example".to_owned())]);
    assert_eq!(each[1].get_hosts(), [Host::Unix("/run/pg".into())]);
    assert_eq!((each[0].get_ports(), each[1].get_ports()), (&[1][..], &[2][..]));
    // A socket has no TLS.
    assert_eq!(
        (each[0].get_ssl_mode(), each[1].get_ssl_mode()),
        (SslMode::Require, SslMode::Disable)
    );
    for one in each {
        assert_eq!(one.get_user(), Some("me"));
        assert_eq!(one.get_password(), Some(&b"secret"[..]));
        assert_eq!(one.get_dbname(), Some("d"));
        assert_eq!(one.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    }
}

#[test]
fn password_is_in_no_debug_output() {
    let address = parse("postgresql://me:correct-horse@db.example/d?sslmode=require").unwrap();
    assert!(!format!("{address:?}").contains("correct-horse"));
}
