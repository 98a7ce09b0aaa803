import Store
import Vocabulary

extension Licenses {
    /// How many licences there are, of all tenants.
    package var figures: [StoreFigure] {
        [
            StoreFigure("licenses", "Licences that are not revoked, of all tenants.", labels: ["tier", "standing"]) { db, _ in
                try db.rows(LicenseTable.everywhere).map { ([try $0.text(0), try $0.text(1)], Double(try $0.integer(2))) }
            }
        ]
    }
}
