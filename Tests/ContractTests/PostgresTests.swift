import Composition
import Foundation
import RoomTesting
import Testing

@Suite struct PostgresTests {
    @Test("every room's migrations make a database on PostgreSQL in which tenants are kept apart")
    func migrations() throws {
        let cluster = try PostgresCluster.running()
        // Making it runs them all, and holds the catalogue against the house's rules.
        let name = try cluster.database(try PlatformRegister.migrations(), seal: TestSealer())
        cluster.drop(name)
    }
}
