import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.net.InetSocketAddress;

/**
 * Serves MongoDB's protocol from memory on a free port of 127.0.0.1, says where on its first line,
 * and ends when its standard input does: so it never outlives the test run that started it.
 */
public final class TestMongoServer {
    public static void main(String[] args) throws Exception {
        MongoServer server = new MongoServer(new MemoryBackend());
        server.bind("127.0.0.1", 0);
        InetSocketAddress address = server.getLocalAddress();
        System.out.println("mongodb://127.0.0.1:" + address.getPort());
        System.out.flush();
        while (System.in.read() >= 0) {
            // Only the end of the input counts.
        }
        server.shutdownNow();
    }
}
