//! `GetCallerIdentity`: whose credentials signed
//! (<https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-getcalleridentity>).

use serde_json::{Value, json};

use crate::answer::ApiError;
use crate::operations::Call;
use crate::ram::{self, Caller};
use crate::sealed::Session;
use crate::world::World;

/// Tells the caller who it is. Nobody needs a permission for it.
pub(crate) fn get_caller_identity(world: &mut World, call: &Call<'_>) -> Result<Value, ApiError> {
    let caller = call.caller.ok_or_else(|| ApiError::missing("AccessKeyId"))?;
    let mut answer = match caller {
        Caller::Root { account } => {
            json!({ "IdentityType": "Account", "PrincipalId": account, "UserId": account })
        }
        Caller::User { account, name } => {
            let id = ram::user_id(&world.sealer, account, name);
            json!({ "IdentityType": "RAMUser", "PrincipalId": id, "UserId": id })
        }
        Caller::Session(Session { account, role, name, .. }) => {
            let id = ram::role_id(&world.sealer, account, role);
            json!({ "IdentityType": "AssumedRoleUser", "PrincipalId": format!("{id}:{name}"), "RoleId": id })
        }
    };
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("AccountId".to_owned(), json!(caller.account()));
        fields.insert("Arn".to_owned(), json!(caller.arn()));
    }
    Ok(answer)
}
