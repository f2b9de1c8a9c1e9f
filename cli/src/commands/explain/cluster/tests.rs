//! What people may write for a claim.

use super::*;

fn wanted(text: &str) -> Wanted {
    Wanted::parse(text, None).unwrap()
}

#[test]
fn a_claim_may_be_written_in_four_ways() {
    let of = |namespace: Option<&str>, by| Wanted {
        namespace: namespace.map(str::to_owned),
        name: "train".to_owned(),
        by,
    };
    assert_eq!(wanted("train"), of(None, None));
    assert_eq!(wanted("climate/train"), of(Some("climate"), None));
    assert_eq!(wanted("job/train"), of(None, Some(Kind::Job)));
    assert_eq!(wanted("gpuclaims.concord.dev/train"), of(None, Some(Kind::Claim)));
    assert_eq!(Wanted::parse("job/train", Some("climate")).unwrap(), of(Some("climate"), Some(Kind::Job)));
    assert_eq!(Wanted::parse("climate/train", Some("climate")).unwrap(), of(Some("climate"), None));
    for text in ["", "/", "climate/", "/train", "a/b/c"] {
        assert!(Wanted::parse(text, None).is_err(), "{text:?}");
    }
}
