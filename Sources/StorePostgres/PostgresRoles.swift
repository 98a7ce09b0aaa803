import Foundation

/// The roles of a database, and how an operator makes them.
package enum PostgresRoles {
    /// Owns schemas and tables, and never logs in.
    package static let owner = "coditect_owner"
    /// In which a tenant's statements run.
    package static let tenant = "coditect_tenant"
    /// In which unscoped statements run.
    package static let kernel = "coditect_kernel"
    /// Logs in to migrate: may become the owner, and is nothing by itself.
    package static let migrate = "coditect_migrate"
    /// Logs in to serve: may become one of the two, and is nothing by itself.
    package static let serve = "coditect_serve"

    /// What a superuser runs once, before the first migration.
    package static func script(database: String) -> String {
        (clusterStatements + databaseStatements(database)).map { "\($0);" }.joined(separator: "\n")
    }
    /// Once for a cluster.
    package static let clusterStatements = [
        "CREATE ROLE \(owner) NOLOGIN",
        "CREATE ROLE \(tenant) NOLOGIN",
        "CREATE ROLE \(kernel) NOLOGIN",
        "CREATE ROLE \(migrate) LOGIN NOINHERIT IN ROLE \(owner)",
        "CREATE ROLE \(serve) LOGIN NOINHERIT IN ROLE \(tenant), \(kernel)",
    ]
    /// Once for a database.
    package static func databaseStatements(_ name: String) -> [String] {
        let quoted = "\"\(name.replacingOccurrences(of: "\"", with: "\"\""))\""
        return [
            "CREATE DATABASE \(quoted) OWNER \(owner) ENCODING 'UTF8' TEMPLATE template0",
            "REVOKE ALL ON DATABASE \(quoted) FROM PUBLIC",
            "GRANT CONNECT ON DATABASE \(quoted) TO \(migrate), \(serve)",
        ]
    }
}
