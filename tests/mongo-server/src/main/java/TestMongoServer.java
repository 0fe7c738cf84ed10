import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.net.InetSocketAddress;

/**
 * Serves MongoDB's protocol from memory on a free port of 127.0.0.1, says where on its first line,
 * and ends when its standard input does: so it never outlives the test run that started it.
 *
 * One thread serves all connections. The library answers with the very documents that it stores and
 * writes them out after it has let go of its lock: with several threads two findAndModify are told the
 * same number, and who reads sees half of a change, which no MongoDB does.
 */
public final class TestMongoServer {
    public static void main(String[] args) throws Exception {
        MongoServer server = new MongoServer(new MemoryBackend());
        server.bind(new InetSocketAddress("127.0.0.1", 0), 1, 1);
        InetSocketAddress address = server.getLocalAddress();
        System.out.println("mongodb://127.0.0.1:" + address.getPort());
        System.out.flush();
        while (System.in.read() >= 0) {
            // Only the end of the input counts.
        }
        server.shutdownNow();
    }
}
