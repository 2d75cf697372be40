//! From where a workflow may come.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use daybook_agent::packet::{Checked, Payload};
use daybook_agent::retrieve::{Config, Registered, RetrieveError, Retriever, Rewrite};
use daybook_core::Hash;
use daybook_core::event::{Claims, Event};
use daybook_core::id::Stream;
use daybook_core::key::SecretKey;
use daybook_core::sealed::{Opening, digest_list};
use serde_json::json;
use uuid::Uuid;

use super::{
    air_gapped, config, files, leftovers, mirrored, permalink, refusal, registered, retrieve, with_copy,
    without_copy, zip,
};

/// A place on the web that notes what it is asked for.
struct Place {
    base: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Place {
    /// Answers by path and query.
    async fn new(answer: impl Fn(&str) -> Response + Clone + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        let app = Router::new().fallback(move |request: Request| {
            let path = request.uri().path_and_query().unwrap().to_string();
            notes.lock().unwrap().push(path.clone());
            let response = answer(&path);
            async move { response }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base, asked }
    }

    /// A registry of the usual kind: a page at the permalink that points to the zip.
    async fn registry(files: &Payload) -> Self {
        let zip = zip(files);
        Self::new(move |path| match path {
            "/flows/7?version=1" => {
                let link = "</style.css>; rel=\"stylesheet\", </flows/7/crate?version=1>; rel=\"item\"; type=\"application/zip\"";
                let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::LINK, link)];
                (headers, "<h1>Workflow 7</h1>").into_response()
            }
            "/flows/7/crate?version=1" => ([(header::CONTENT_TYPE, "application/zip")], zip.clone()).into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        })
        .await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The study's request for a workflow at an address, with a distribution that nobody may follow.
fn asking_for(permalink: &str, distribution: &str) -> Checked {
    let mut packet = without_copy();
    permalink.clone_into(&mut packet.request.workflow.workflow.id);
    packet.request.workflow.distribution = Some(distribution.to_owned());
    packet
}

#[tokio::test]
async fn a_workflow_comes_from_its_registered_place_once_and_never_from_where_a_packet_says() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::registry(&files()).await;
    let trap = Place::new(|_| StatusCode::OK.into_response()).await;
    let packet = asking_for(
        &format!("{}/flows/7?version=1", place.base),
        &format!("{}/crate.zip", trap.base),
    );
    let first = retrieve(&config(folder.path()), &files(), &packet).await.unwrap();
    assert!(first.fetched && first.files == files() && first.images.is_empty());
    let again = retrieve(&config(folder.path()), &files(), &packet).await.unwrap();
    assert!(!again.fetched && again.files == files());
    assert_eq!(place.asked(), ["/flows/7?version=1", "/flows/7/crate?version=1"]);
    assert_eq!(trap.asked(), Vec::<String>::new());
    assert_eq!(leftovers(folder.path()), 0);
}

#[tokio::test]
async fn a_proxy_is_asked_instead_of_the_registered_place() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Place::registry(&files()).await;
    let rewrite = |to: String| Config {
        rewrite: vec![Rewrite {
            from: "https://workflows.example.org/".to_owned(),
            to,
        }],
        ..config(folder.path())
    };
    let packet = asking_for(
        "https://workflows.example.org/7?version=1",
        "https://nowhere.example/",
    );
    let through = rewrite(format!("{}/flows/", proxy.base));
    assert!(retrieve(&through, &files(), &packet).await.unwrap().fetched);

    let other = tempfile::tempdir().unwrap();
    let climbing = asking_for(
        "https://workflows.example.org/../admin?version=1",
        "https://nowhere.example/",
    );
    let through = Config {
        store: other.path().join("store"),
        ..through
    };
    let error = retrieve(&through, &files(), &climbing).await.unwrap_err();
    assert!(matches!(error, RetrieveError::Config(_)), "{error}");
    assert!(proxy.asked().iter().all(|path| path.starts_with("/flows/")));
}

#[tokio::test]
async fn a_mirror_in_a_folder_is_enough_and_nothing_else_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::registry(&files()).await;
    let packet = asking_for(
        &format!("{}/flows/7?version=1", place.base),
        "https://nowhere.example/",
    );
    let config = air_gapped(folder.path());
    let error = retrieve(&config, &files(), &packet).await.unwrap_err();
    assert!(
        matches!(error, RetrieveError::Absent(_)) && refusal(&error) == "none",
        "{error}"
    );

    let (registered, _) = registered(&files(), "");
    let path = mirrored(folder.path(), &files(), &registered.digest);
    assert!(retrieve(&config, &files(), &packet).await.unwrap().fetched);
    std::fs::remove_file(path).unwrap();
    assert!(
        !retrieve(&config, &files(), &packet).await.unwrap().fetched,
        "it is kept"
    );
    assert_eq!(place.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_mirror_holds_under_a_wrong_digest_is_the_tre_s_to_mend() {
    let folder = tempfile::tempdir().unwrap();
    let config = air_gapped(folder.path());
    let (registered, _) = registered(&files(), "");
    let mut other = files();
    other.insert("extra".to_owned(), b"x".to_vec());
    mirrored(folder.path(), &other, &registered.digest);
    let error = retrieve(&config, &files(), &without_copy()).await.unwrap_err();
    assert!(
        matches!(error, RetrieveError::MirrorDiffers { .. }) && refusal(&error) == "none",
        "{error}"
    );
    assert_eq!(leftovers(folder.path()), 0);
}

#[tokio::test]
async fn a_packet_s_own_copy_is_taken_only_if_it_is_the_registered_one() {
    let folder = tempfile::tempdir().unwrap();
    let config = air_gapped(folder.path());
    let own = retrieve(&config, &files(), &with_copy()).await.unwrap();
    assert_eq!(own.files, files(), "nothing had to be fetched");
    assert!(
        !retrieve(&config, &files(), &without_copy())
            .await
            .unwrap()
            .fetched,
        "and others may use it"
    );

    let mut changed = with_copy();
    changed.bag.payload.insert(
        "workflow/scripts/count.py".to_owned(),
        b"import socket\n".to_vec(),
    );
    let error = retrieve(&config, &files(), &changed).await.unwrap_err();
    assert!(
        matches!(error, RetrieveError::CopyDiffers { .. }) && refusal(&error) == "workflow",
        "{error}"
    );
    let mut more = with_copy();
    more.bag
        .payload
        .insert("workflow/more.cwl".to_owned(), Vec::new());
    assert_eq!(
        refusal(&retrieve(&config, &files(), &more).await.unwrap_err()),
        "workflow"
    );
}

#[tokio::test]
async fn only_the_approved_registration_of_the_workflow_asked_for_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let retriever = Retriever::new(&air_gapped(folder.path())).unwrap();
    let (one, approval) = registered(&files(), &permalink());
    let newer = Registered {
        leaf: Hash::of(b"another version"),
        ..one.clone()
    };
    let error = retriever
        .retrieve(&newer, &approval, &with_copy())
        .await
        .unwrap_err();
    assert!(
        matches!(error, RetrieveError::NotApproved) && refusal(&error) == "approval",
        "{error}"
    );
    let other = asking_for(
        "https://workflows.example.org/7?version=2",
        "https://nowhere.example/",
    );
    let error = retriever.retrieve(&one, &approval, &other).await.unwrap_err();
    assert!(
        matches!(error, RetrieveError::OtherWorkflow) && refusal(&error) == "workflow",
        "{error}"
    );
}

#[tokio::test]
async fn a_place_that_serves_something_else_is_not_believed() {
    let mut other = files();
    other.insert("extra".to_owned(), b"x".to_vec());
    let zip = zip(&other);
    let place = Place::new(move |path| match path {
        "/other" => zip.clone().into_response(),
        "/text" => "no zip".into_response(),
        "/large" => vec![0; (1 << 20) + 1].into_response(),
        "/elsewhere" => (StatusCode::FOUND, [(header::LOCATION, "http://127.0.0.1:1/x")]).into_response(),
        "/page" => ([(header::CONTENT_TYPE, "text/html")], "<p>sign in").into_response(),
        "/broken" => StatusCode::BAD_GATEWAY.into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    })
    .await;
    let expected = [
        ("/other", "workflow"),
        ("/text", "workflow"),
        ("/large", "none"),
        ("/elsewhere", "none"),
        ("/page", "none"),
        ("/broken", "none"),
        ("/gone", "none"),
    ];
    for (path, code) in expected {
        let folder = tempfile::tempdir().unwrap();
        let packet = asking_for(&format!("{}{path}", place.base), "https://nowhere.example/");
        let error = retrieve(&config(folder.path()), &files(), &packet)
            .await
            .unwrap_err();
        assert_eq!(refusal(&error), code, "{path}: {error}");
        assert_eq!(leftovers(folder.path()), 0, "{path}");
        let kept = std::fs::read_dir(folder.path().join("store/workflow"))
            .unwrap()
            .count();
        assert_eq!(kept, 0, "{path}");
    }
}

#[tokio::test]
async fn what_an_end_in_the_middle_left_is_dropped_and_a_spoilt_copy_is_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = air_gapped(folder.path());
    let (registered, _) = registered(&files(), "");
    mirrored(folder.path(), &files(), &registered.digest);
    retrieve(&config, &files(), &without_copy()).await.unwrap();
    std::fs::write(folder.path().join("store/part/half"), b"PK").unwrap();
    let kept = std::fs::read_dir(folder.path().join("store/workflow")).unwrap();
    for file in kept {
        std::fs::write(file.unwrap().path(), b"PK").unwrap();
    }
    assert!(
        retrieve(&config, &files(), &without_copy())
            .await
            .unwrap()
            .fetched
    );
    assert_eq!(leftovers(folder.path()), 0);
}

#[test]
fn a_registration_is_read_from_its_entry_and_the_openings_that_it_seals() {
    let opening = |name: &str, value: &str| Opening::new([1; 16], name, json!(value)).unwrap();
    let sealed = [
        opening("permalink", "https://workflows.example/1"),
        opening("title", "A workflow"),
    ];
    let digest = Hash::of(b"files");
    let event = |kind: &str| {
        let claims = Claims {
            aud: "test.example/log".to_owned(),
            data: serde_json::from_value(json!({
                "digest": digest.to_base64url(), "_sd": digest_list(&sealed, &[]),
            }))
            .unwrap(),
            iat: 1_795_300_000,
            iss: "registrar/one".parse().unwrap(),
            jti: Uuid::from_u128(0x4000_8000_0000_0000_0001),
            prev: None,
            seen: None,
            seq: 1,
            sub: Stream::Workflow(Uuid::from_u128(0x4000_8000_0000_0000_0007)),
            kind: kind.to_owned(),
            version: 1,
        };
        Event::sign(&claims, &SecretKey::from_seed(&[7; 32])).unwrap()
    };
    let read = Registered::read(&event("workflow-registered"), &sealed).unwrap();
    assert_eq!(read.permalink.as_deref(), Some("https://workflows.example/1"));
    assert_eq!(
        (read.digest, read.leaf),
        (digest, *event("workflow-registered").leaf())
    );
    let forged = [opening("permalink", "https://evil.example/")];
    assert!(Registered::read(&event("workflow-registered"), &forged).is_err());
    assert!(Registered::read(&event("workflow-withdrawn"), &sealed).is_err());
    assert_eq!(
        Registered::read(&event("workflow-registered"), &[])
            .unwrap()
            .permalink,
        None
    );
}

#[test]
fn a_configuration_that_could_not_work_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let good = config(folder.path());
    Retriever::new(&good).unwrap();
    let bad = [
        Config {
            only_mirror: true,
            ..good.clone()
        },
        Config {
            mirror: Some("/srv/mirror".to_owned()),
            ..good.clone()
        },
        Config {
            sif: [("debian:12".to_owned(), "x".to_owned())].into(),
            ..good.clone()
        },
        Config {
            proxy: Some("not an address".to_owned()),
            ..good.clone()
        },
        Config {
            rewrite: vec![Rewrite {
                from: "https://a.example".to_owned(),
                to: "https://b.example/".to_owned(),
            }],
            ..good
        },
    ];
    for config in bad {
        assert!(
            matches!(Retriever::new(&config), Err(RetrieveError::Config(_))),
            "{config:?}"
        );
    }
}
