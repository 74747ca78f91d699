//! Tokens against real records and a clock that is moved by hand.

use matrix_architect_core::{fake::FixedClock, principal::Permission};
use matrix_architect_store::memory;

use super::*;

fn tokens() -> (Tokens, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::new());
    let stores = memory::open(Arc::<FixedClock>::clone(&clock));
    (Tokens::new(stores.records, Arc::<FixedClock>::clone(&clock)), clock)
}

fn new(name: &str, role: Role, lifetime: Option<Duration>) -> NewToken {
    NewToken { name: PrincipalId::new(name).unwrap(), role, lifetime }
}

#[tokio::test]
async fn a_token_stands_for_its_name_role_and_tenant() {
    let (tokens, _) = tokens();
    let tenant = TenantId::new("acme_inc").unwrap();
    let (token, _) = tokens.create(&tenant, new("ada", Role::Operator, None)).await.unwrap();
    let principal = tokens.authenticate(&token.expose()).await.unwrap();
    assert_eq!((principal.id.as_str(), principal.tenant.as_str()), ("ada", "acme_inc"));
    assert!(principal.may(Permission::JobCreate) && !principal.may(Permission::AdminUsers));
}

#[tokio::test]
async fn a_token_is_refused_in_the_same_words_whatever_is_wrong_with_it() {
    let (tokens, clock) = tokens();
    let tenant = TenantId::default();
    let hour = Some(Duration::from_hours(1));
    let (token, _) = tokens.create(&tenant, new("ada", Role::Admin, hour)).await.unwrap();
    let good = token.expose();
    let mut flipped = good.clone().into_bytes();
    flipped[40] = if flipped[40] == b'0' { b'1' } else { b'0' };
    let wrong = [
        String::new(),
        "arch".to_owned(),
        good.replace("default", "other"),
        good.replace("_default", ""),
        good.to_uppercase(),
        String::from_utf8(flipped).unwrap(),
        format!("{good}x"),
    ];
    let unknown = tokens.authenticate("nonsense").await.unwrap_err().to_string();
    for text in &wrong {
        assert_eq!(tokens.authenticate(text).await.unwrap_err().to_string(), unknown, "{text}");
    }
    assert!(tokens.authenticate(&good).await.is_ok());
    clock.advance(Duration::from_hours(1));
    assert_eq!(tokens.authenticate(&good).await.unwrap_err().to_string(), unknown);
}

#[tokio::test]
async fn a_revoked_token_is_dead_and_the_others_live() {
    let (tokens, _) = tokens();
    let tenant = TenantId::default();
    let (first, info) = tokens.create(&tenant, new("a", Role::Viewer, None)).await.unwrap();
    let (second, _) = tokens.create(&tenant, new("b", Role::Viewer, None)).await.unwrap();
    tokens.revoke(&tenant, &info.id).await.unwrap();
    assert!(tokens.authenticate(&first.expose()).await.is_err());
    assert!(tokens.authenticate(&second.expose()).await.is_ok());
    assert!(tokens.revoke(&tenant, &info.id).await.unwrap_err().is_not_found());
    assert_eq!(tokens.list(&tenant).await.unwrap().len(), 1);
}

#[tokio::test]
async fn neither_records_nor_debug_hold_the_secret() {
    let (tokens, _) = tokens();
    let tenant = TenantId::default();
    let (token, info) = tokens.create(&tenant, new("a", Role::Viewer, None)).await.unwrap();
    let record = tokens.records.get(&key(&tenant, &info.id)).await.unwrap().unwrap();
    assert!(!record.value.to_string().contains(&token.secret));
    assert!(!format!("{token:?}").contains(&token.secret));
}
