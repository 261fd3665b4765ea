//! Refusals while the app's registration is set up in the directory.

use super::Authority::EntraDirectory;
use super::Owner::{CustomerAdmin, Nobody, VendorOperations};
use super::RetryAdvice::{AfterRemedy, Automatic, Never};
use super::sources::{GRAPH_AUTH, PUBLIC_REPORT};
use super::when::When::{All, Any, ByIdOnly, Code, InOrder, Resource, Says, Status};
use super::{Diagnosis, Wait};

pub(super) static ROWS: &[Diagnosis] = &[
    // Before PROV-NO-PRIVILEGE: an app-only caller gets this as the 403 of a missing right, which it is not.
    Diagnosis {
        id: "PROV-SP-REPLICATION",
        authority: EntraDirectory,
        cause: "The application was created moments ago and the place that creates its service principal does not know it yet.",
        check: "Make sure that the application was created by this very run; if it was not, its appId is wrong or it lives in another tenant.",
        remedy: "None needed: the service principal is asked for again with growing pauses, for about a minute.",
        owner: Nobody,
        retry: Automatic,
        wait: Some(Wait::seconds(5, 60)),
        source: PUBLIC_REPORT,
        when: All(&[
            Status(&[400, 403]),
            Any(&[
                Says("NoBackingApplicationObject"),
                Says("does not reference a valid application object"),
                InOrder(&["backing application", "in the local tenant"]),
            ]),
        ]),
    },
    Diagnosis {
        id: "PROV-OBJ-REPLICATION",
        authority: EntraDirectory,
        cause: "An object created moments ago was asked of a replica that has not received it yet.",
        check: "Make sure that this run created the object less than two minutes ago; otherwise it is really absent.",
        remedy: "None needed: the read is repeated with pauses until several answers in a row agree.",
        owner: Nobody,
        retry: Automatic,
        wait: Some(Wait::seconds(1, 120)),
        source: PUBLIC_REPORT,
        when: ByIdOnly,
    },
    Diagnosis {
        id: "PROV-SECRET-FORBIDDEN",
        authority: EntraDirectory,
        cause: "An app management policy of the tenant forbids client secrets.",
        check: "GET /policies/defaultAppManagementPolicy, and the policies assigned to this application.",
        remedy: "Use a certificate or a federated credential instead of a secret.",
        owner: CustomerAdmin,
        retry: Never,
        wait: None,
        source: PUBLIC_REPORT,
        when: Code(&["CredentialTypeNotAllowedAsPerAppPolicy"]),
    },
    Diagnosis {
        id: "PROV-SECRET-LIFETIME",
        authority: EntraDirectory,
        cause: "The credential was asked for with a longer life than the tenant's app management policy allows.",
        check: "Read maxLifetime in the tenant's app management policy before asking.",
        remedy: "Ask for the allowed lifetime, and rotate that much earlier.",
        owner: VendorOperations,
        retry: AfterRemedy,
        wait: None,
        source: PUBLIC_REPORT,
        when: Code(&["CredentialInvalidLifetimeAsPerAppPolicy"]),
    },
    // Before GRAPH-DIR-DENIED: /users/{id}/appRoleAssignments is provisioning, a right to read users cures nothing.
    Diagnosis {
        id: "PROV-NO-PRIVILEGE",
        authority: EntraDirectory,
        cause: "Whoever runs the set-up lacks the directory role for this step: Application Administrator to create apps, Privileged Role Administrator to grant application permissions.",
        check: "GET /me/transitiveMemberOf/microsoft.graph.directoryRole for a person; the roles claim of the token for an app.",
        remedy: "Run the step as an administrator with the role that the plan names for it, or hand the script of the plan to one.",
        owner: CustomerAdmin,
        retry: AfterRemedy,
        wait: None,
        source: GRAPH_AUTH,
        when: All(&[
            Status(&[403]),
            Code(&["Authorization_RequestDenied"]),
            Resource(&["applications", "servicePrincipals", "appRoleAssignments", "appRoleAssignedTo"]),
        ]),
    },
];
