//! Every page has one address, and whoever asks for another spelling of it is sent there.

use axum::http::{StatusCode, header};

use crate::support::TestSite;

#[tokio::test]
async fn a_path_with_a_slash_at_its_end_leads_to_the_one_without() {
    let site = TestSite::new().await;
    for (path, leads_to) in [
        ("/cy/", "/cy"),
        ("/projects/", "/projects"),
        (
            "/cy/projects/?q=a%20b&tre=wessex",
            "/cy/projects?q=a%20b&tre=wessex",
        ),
        ("/tres/wessex//", "/tres/wessex"),
        ("/no-such-page/", "/no-such-page"),
        ("//", "/"),
        // Of this site, whatever the path looks like.
        ("//elsewhere.example/", "//elsewhere.example"),
        ("/\\elsewhere.example/", "/\\elsewhere.example"),
    ] {
        let (status, headers, _) = site.answer(path, &[]).await;
        assert_eq!(status, StatusCode::PERMANENT_REDIRECT, "{path}");
        let location = headers[header::LOCATION].to_str().unwrap();
        assert_eq!(location, format!("https://register.example{leads_to}"), "{path}");
    }
    for path in ["/", "/cy", "/projects", "/cy/projects"] {
        assert_eq!(site.ask(path).await.0, StatusCode::OK, "{path}");
    }
}
