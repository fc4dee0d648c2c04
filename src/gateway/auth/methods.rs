//! The methods that are offered, as SSH names them.

use russh::{MethodKind, MethodSet};

use crate::config::{AuthMethod, User};

/// The methods that anybody's login may begin with: the same for every name, so that nobody is told who exists.
pub(super) fn first_methods(users: &[User]) -> MethodSet {
    let mut methods = vec![AuthMethod::PublicKey];
    if begins_with_password(users) {
        methods.push(AuthMethod::Password);
    }
    kinds(&methods)
}

/// Whether anybody's login may begin with a password.
pub(super) fn begins_with_password(users: &[User]) -> bool {
    let first = |user: &User| {
        user.require
            .first()
            .is_none_or(|method| *method == AuthMethod::Password)
    };
    users.iter().any(|user| user.password_hash.is_some() && first(user))
}

/// The methods as SSH names them.
pub(super) fn kinds(methods: &[AuthMethod]) -> MethodSet {
    let kinds = methods.iter().flat_map(|method| match method {
        AuthMethod::PublicKey => [MethodKind::PublicKey].as_slice(),
        AuthMethod::Password => &[MethodKind::KeyboardInteractive, MethodKind::Password],
        AuthMethod::Totp => &[MethodKind::KeyboardInteractive],
    });
    MethodSet::from(kinds.copied().collect::<Vec<_>>().as_slice())
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::user;
    use super::*;

    fn offered(users: &[User]) -> Vec<MethodKind> {
        first_methods(users).to_vec()
    }

    #[test]
    fn what_is_offered_is_what_anybody_may_begin_with() {
        use AuthMethod::{Password, PublicKey, Totp};
        let any = [
            MethodKind::PublicKey,
            MethodKind::KeyboardInteractive,
            MethodKind::Password,
        ];
        let key_first = || user("alice", &[PublicKey, Password, Totp]);
        assert_eq!(offered(&[]), [MethodKind::PublicKey]);
        assert_eq!(offered(&[key_first()]), [MethodKind::PublicKey]);
        assert_eq!(offered(&[key_first(), user("bob", &[Password, Totp])]), any);
        assert_eq!(offered(&[user("bob", &[])]), any);
    }

    #[test]
    fn a_code_is_asked_for_interactively_and_a_password_either_way() {
        assert_eq!(kinds(&[AuthMethod::Totp]).to_vec(), [MethodKind::KeyboardInteractive]);
        assert_eq!(
            kinds(&[AuthMethod::Password]).to_vec(),
            [MethodKind::KeyboardInteractive, MethodKind::Password]
        );
    }
}
